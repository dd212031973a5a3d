//! An ordinary program: it knows nothing of where it runs.

use std::collections::HashMap;
use std::io::{stdin, BufRead};
use std::time::{Duration, Instant};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    println!("arguments: {arguments:?}");
    let lines: Vec<String> = stdin().lock().lines().map(|line| line.unwrap()).collect();
    println!("lines: {lines:?}");
    println!("variables: {}", std::env::vars().count());
    if let Err(error) = std::fs::read("/etc/passwd") {
        eprintln!("read: {error}");
    }
    std::thread::sleep(Duration::from_millis(5));
    if arguments.iter().any(|argument| argument == "--map") {
        println!("map: {:?}", HashMap::from([("key", 1)]).get("key"));
    }
    if arguments.iter().any(|argument| argument == "--clock") {
        println!("elapsed: {}", Instant::now().elapsed() < Duration::from_secs(1));
    }
    std::process::exit(arguments.len() as i32);
}
