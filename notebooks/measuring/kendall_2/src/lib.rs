//! How far a ranking is from another: the second version sorts it, and counts who passes whom on the way.

use judicia_guest::{export, Fail};

fn distance(ranking: Vec<u32>) -> Result<u64, Fail> {
    Ok(sort(ranking).1)
}

/// The ranking in order, and how many pairs stood the wrong way round.
#[inline(never)] // so that a profile shows it under its name
fn sort(mut ranking: Vec<u32>) -> (Vec<u32>, u64) {
    if ranking.len() < 2 {
        return (ranking, 0);
    }
    let right = ranking.split_off(ranking.len() / 2);
    let (left, wrong_left) = sort(ranking);
    let (right, wrong_right) = sort(right);
    let (sorted, wrong_across) = merge(&left, &right);
    (sorted, wrong_left + wrong_right + wrong_across)
}

#[inline(never)]
fn merge(left: &[u32], right: &[u32]) -> (Vec<u32>, u64) {
    let (mut sorted, mut wrong) = (Vec::new(), 0);
    let mut rest = left;
    for &next in right {
        let before = rest.partition_point(|&one| one <= next);
        sorted.extend_from_slice(&rest[..before]);
        rest = &rest[before..];
        wrong += rest.len() as u64; // it passes all of these
        sorted.push(next);
    }
    sorted.extend_from_slice(rest);
    (sorted, wrong)
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
