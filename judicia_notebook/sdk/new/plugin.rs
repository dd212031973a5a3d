use judicia_guest::{export, fail, manifest, Fail};
use serde::{Deserialize, Serialize};

manifest!(r#"{"name": "@NAME@", "version": "0.1.0"}"#);
export!(hello, add);

#[derive(Deserialize)]
struct Who {
    name: Option<String>,
}

fn hello(request: Who) -> Result<String, Fail> {
    Ok(format!("Hello, {}!", request.name.as_deref().unwrap_or("world")))
}

#[derive(Deserialize)]
struct Pair {
    a: i64,
    b: i64,
}

#[derive(Serialize)]
struct Sum {
    sum: i64,
}

fn add(Pair { a, b }: Pair) -> Result<Sum, Fail> {
    let sum = a.checked_add(b).ok_or_else(|| fail!("overflow", "{} + {} is too large", a, b))?;
    Ok(Sum { sum })
}
