//! Checkpoints: what was saved goes on bit for bit, what is damaged or does not fit is refused and changes
//! nothing, and the files are safetensors that others read and write.

#[path = "checkpoint/biased.rs"]
mod biased;
#[path = "checkpoint/callbacks.rs"]
mod callbacks;
#[path = "checkpoint/damage.rs"]
mod damage;
#[path = "checkpoint/earlier.rs"]
mod earlier;
#[path = "checkpoint/file.rs"]
mod file;
#[path = "checkpoint/fit.rs"]
mod fit;
#[path = "checkpoint/header.rs"]
mod header;
#[path = "checkpoint/library.rs"]
mod library;
#[path = "checkpoint/reader.rs"]
mod reader;
#[path = "checkpoint/resume.rs"]
mod resume;
#[path = "checkpoint/shards.rs"]
mod shards;
