//! How far a ranking is from another: the third version sorts like the second, and asks for memory once.

use judicia_guest::{export, Fail};

fn distance(mut ranking: Vec<u32>) -> Result<u64, Fail> {
    let mut spare = vec![0; ranking.len()];
    Ok(sort(&mut ranking, &mut spare))
}

/// Brings the ranking into order; how many pairs stood the wrong way round. `spare` is as long as it.
#[inline(never)] // so that a profile shows it under its name
fn sort(ranking: &mut [u32], spare: &mut [u32]) -> u64 {
    if ranking.len() < 2 {
        return 0;
    }
    let middle = ranking.len() / 2;
    let (left, right) = ranking.split_at_mut(middle);
    let (spare_left, spare_right) = spare.split_at_mut(middle);
    let wrong = sort(left, spare_left) + sort(right, spare_right);
    wrong + merge(ranking, middle, spare)
}

#[inline(never)]
fn merge(ranking: &mut [u32], middle: usize, spare: &mut [u32]) -> u64 {
    spare.copy_from_slice(ranking);
    let (left, right) = spare.split_at(middle);
    let (mut from_left, mut from_right, mut wrong) = (0, 0, 0);
    for place in ranking {
        if from_right == right.len() || (from_left < left.len() && left[from_left] <= right[from_right]) {
            *place = left[from_left];
            from_left += 1;
        } else {
            *place = right[from_right];
            from_right += 1;
            wrong += (left.len() - from_left) as u64; // it passes all of these
        }
    }
    wrong
}

export!(distance);

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn pairs_the_wrong_way_round_are_counted() {
        assert_eq!(distance(vec![]).unwrap(), 0);
        assert_eq!(distance(vec![1, 2, 2, 3]).unwrap(), 0);
        assert_eq!(distance(vec![4, 3, 2, 1]).unwrap(), 6);
        assert_eq!(distance(vec![2, 1, 3, 1]).unwrap(), 3);
    }
}
