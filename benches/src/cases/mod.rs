//! What is measured, by what bounds it.

pub mod cache;
pub mod checkpoint;
pub mod curves;
pub mod denormals;
pub mod memory;
pub mod tensors;
pub mod threads;
pub mod training;

/// A number of elements as people write it: 64K, 16M.
pub fn size(elements: usize) -> String {
    match elements {
        0..1024 => elements.to_string(),
        1024..1_048_576 => format!("{}K", elements / 1024),
        _ => format!("{}M", elements / (1024 * 1024)),
    }
}

fn thread_count(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}
