//! The machine on which the numbers were measured.

use std::fs;
use std::thread::available_parallelism;

/// The name of the processor.
pub fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| "unnamed processor".to_owned(), |(_, name)| name.to_owned())
}

pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The most capable instruction set that this machine has, by the library's names for them.
pub fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        if avx512 {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("f16c") {
            return "avx2";
        }
    }
    if cfg!(target_arch = "aarch64") { "neon" } else { "portable" }
}

/// How many threads this process has, where the system tells.
pub fn threads() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// Today's date.
pub fn date() -> String {
    let now = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
    now.split('T').next().unwrap_or_default().to_owned()
}

/// The instruction set that the library uses.
pub fn instruction_set_in_use() -> String {
    std::env::var("RADAM_ISA").unwrap_or_else(|_| instruction_set().to_owned())
}
