//! The product of two matrices: the second version, in integers.

use judicia_guest::{export, Fail};

type Number = i64;

/// Two matrices of small whole numbers, row by row.
fn matrices(size: usize) -> (Vec<Number>, Vec<Number>) {
    let numbers = |most: usize| (0..size * size).map(|at| (at % most) as Number).collect();
    (numbers(7), numbers(5))
}

fn product(size: u16) -> Result<u64, Fail> {
    let size = usize::from(size);
    if size > 1000 {
        return Err(Fail::bad_request("a size of at most 1000"));
    }
    let (left, right) = matrices(size);
    let rows = (0..size).map(|row| &left[row * size..][..size]);
    let sum: Number = rows.map(|row| (0..size).map(|column| entry(row, &right, column)).sum::<Number>()).sum();
    Ok(sum as u64)
}

#[inline(never)] // so that a profile shows it under its name
fn entry(row: &[Number], right: &[Number], column: usize) -> Number {
    let mut sum = 0;
    for (at, number) in row.iter().enumerate() {
        sum += number * right[at * row.len() + column];
    }
    sum
}

export!(product);

#[cfg(test)]
mod tests {
    use super::product;

    #[test]
    fn all_numbers_of_the_product_are_added() {
        assert_eq!(product(0).unwrap(), 0);
        assert_eq!(product(2).unwrap(), 22); // 2 + 3 + 6 + 11
        assert_eq!(product(3).unwrap(), 110);
        assert_eq!(product(200).unwrap(), 47_998_000);
        assert!(product(1001).is_err());
    }
}
