//! How far a ranking is from another: the first version, which looks at every pair of teams.

use judicia_guest::{export, Fail};

fn distance(ranking: Vec<u32>) -> Result<u64, Fail> {
    Ok(compare_all_pairs(&ranking))
}

#[inline(never)] // so that a profile shows it under its name
fn compare_all_pairs(ranking: &[u32]) -> u64 {
    let mut wrong = 0;
    for (at, left) in ranking.iter().enumerate() {
        wrong += ranking[at + 1..].iter().filter(|right| left > right).count() as u64;
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
