//! An untrusted header costs memory at most in proportion to its size, as docs/checkpoint.md says, and time in
//! proportion, too.
//!
//! This is a test program of its own because it counts all allocated memory.

use radam::ffi::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes of memory for each byte of a header, beside the header itself where the caller has it.
const MULTIPLE: usize = 6;
/// And the blocks that the data pass through.
const BESIDE: usize = 4 << 20;

struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: it is the system's allocator. What grows is allocated anew, so that the worst is counted: that
// both the old and the new memory are there for a while.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A file without data, whose header has this JSON with a checksum that is right.
fn file(json: String) -> Vec<u8> {
    const KEY: &str = "\"radam.checksum\":\"";
    let digits = 8 + json.find(KEY).unwrap() + KEY.len();
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.into_bytes());
    let checksum = format!("{:08x}", crc32fast::hash(&bytes));
    bytes[digits..digits + 8].copy_from_slice(checksum.as_bytes());
    bytes
}

/// Repeats what a number gives, until there are about so many bytes.
fn repeated(size: usize, item: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(size + 1000);
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        if number > 0 {
            text.push(',');
        }
        text.push_str(&item(number));
    }
    text
}

/// A header with this manifest, which is escaped already, and these entries.
fn header(manifest: &str, entries: &str) -> Vec<u8> {
    let comma = if entries.is_empty() { "" } else { "," };
    file(format!(
        "{{\"__metadata__\":{{\"radam.checksum\":\"00000000\",\"radam\":\"{manifest}\"}}{comma}{entries}}}"
    ))
}

const GROUP: &str =
    r#"{\"lr\":0,\"beta1\":0,\"beta2\":0,\"weight_decay\":0,\"eps\":0,\"max_lr\":0}"#;

fn manifest(groups: &str, params: &str) -> String {
    format!(
        r#"{{\"format\":1,\"moments\":\"debiased\",\"groups\":[{groups}],\"params\":[{params}]}}"#
    )
}

fn params(size: usize, name: impl Fn(usize) -> String) -> String {
    repeated(size, |number| {
        let name = name(number);
        format!(r#"{{\"name\":\"{name}\",\"group\":0,\"len\":0,\"step\":0,\"checksums\":{{}}}}"#)
    })
}

fn tensors(size: usize, name: impl Fn(usize) -> String) -> String {
    repeated(size, |number| {
        format!("\"{}\":{{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[0,0]}}", name(number))
    })
}

type Shape = (&'static str, fn(usize) -> Vec<u8>);

const SHAPES: [Shape; 18] = [
    ("tensors", |size| header(&manifest(GROUP, ""), &tensors(size, |n| format!("{n:x}")))),
    ("tensors with escapes", |size| {
        header(&manifest(GROUP, ""), &tensors(size, |n| format!("\\n{n:x}")))
    }),
    ("tensors of one name", |size| header(&manifest(GROUP, ""), &tensors(size, |_| String::new()))),
    ("tensors of long names", |size| {
        let name = "x".repeat(size / 100);
        header(&manifest(GROUP, ""), &tensors(size, |n| format!("{name}{n:02}")))
    }),
    ("parameters", |size| header(&manifest(GROUP, &params(size, |n| format!("{n:x}"))), "")),
    ("parameters with escapes", |size| {
        header(&manifest(GROUP, &params(size, |n| format!("\\\\n{n:x}"))), "")
    }),
    ("parameters of one name", |size| {
        header(&manifest(GROUP, &params(size, |_| String::new())), "")
    }),
    ("tensors and parameters", |size| {
        let params = params(size / 2, |n| format!("{n:x}"));
        header(&manifest(GROUP, &params), &tensors(size / 2, |n| format!("{n:x}")))
    }),
    ("groups", |size| header(&manifest(&repeated(size, |_| GROUP.into()), ""), "")),
    ("a manifest of escapes", |size| header(&"\\u0020".repeat(size / 6), "")),
    ("a name of escapes", |size| {
        header(&manifest(GROUP, &params(1, |_| "\\\\u0041".repeat(size / 7))), "")
    }),
    ("a text for a group", |size| {
        header(&manifest(&format!("\\\"{}\\\"", "x".repeat(size)), ""), "")
    }),
    ("escapes for a group", |size| {
        header(&manifest(&format!("\\\"{}\\\"", "\\\\n".repeat(size / 3)), ""), "")
    }),
    ("escapes for a key", |size| {
        header(&format!("{{\\\"{}\\\":0}}", "\\\\n".repeat(size / 3)), "")
    }),
    ("nested lists", |size| {
        header(&manifest(GROUP, ""), &format!("\"x\":{{\"y\":{}", "[".repeat(size)))
    }),
    ("dimensions", |size| {
        let shape = repeated(size, |_| "1".into());
        let entry =
            format!("\"x\":{{\"dtype\":\"F16\",\"data_offsets\":[0,2],\"shape\":[{shape}]}}");
        header(&manifest(GROUP, ""), &entry)
    }),
    ("digits", |size| {
        let group = GROUP.replace("\\\"lr\\\":0", &format!("\\\"lr\\\":0.{}", "1".repeat(size)));
        header(&manifest(&group, ""), "")
    }),
    ("unknown keys", |size| {
        let unknown = repeated(size, |n| format!("\\\"{n}\\\":{{}}"));
        header(&manifest(&GROUP.replacen('{', &format!("{{{unknown},"), 1), ""), "")
    }),
];

/// What this process has used of processors, which depends little on what else the machine does.
#[cfg(unix)]
fn processor_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is there to be written.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) }, 0);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

#[cfg(not(unix))]
fn processor_time() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

/// The memory and the time that it takes to load a file, whether that is refused or not.
fn cost(optimizer: *mut radam_optimizer, file: &[u8], what: &str) -> (usize, Duration) {
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let start = processor_time();
    // SAFETY: the optimizer is valid, and the buffer as long as it says.
    let status = unsafe {
        radam_load_from_buffer(optimizer, file.as_ptr().cast(), file.len() as u64, ptr::null())
    };
    let time = processor_time() - start;
    let mut message = [0u8; 300];
    // SAFETY: it writes no more than the buffer holds.
    unsafe { radam_last_error(optimizer, message.as_mut_ptr().cast(), message.len() as u64) };
    let message = String::from_utf8_lossy(&message);
    assert!(
        [RADAM_OK, RADAM_ERROR_CORRUPT, RADAM_ERROR_MISMATCH].contains(&status),
        "{what}: {status} {message}"
    );
    println!("{what}: {}", message.trim_end_matches('\0'));
    (MOST.load(Ordering::Relaxed) - before, time)
}

#[test]
fn a_hostile_header_costs_memory_and_time_in_proportion() {
    const SMALL: usize = 10_000_000;
    const LARGE: usize = 95_000_000;
    let mut optimizer = ptr::null_mut();
    // SAFETY: options may be NULL, and `optimizer` is there to be written.
    assert_eq!(unsafe { radam_create(ptr::null(), &mut optimizer) }, RADAM_OK);
    for (what, make) in SHAPES {
        let small = make(SMALL);
        let (_, small_time) = cost(optimizer, &small, what);
        drop(small);
        let large = make(LARGE);
        assert!(large.len() > LARGE && large.len() <= 100_000_000, "{what}: {} bytes", large.len());
        let (memory, mut time) = cost(optimizer, &large, what);
        let multiple = memory as f64 / large.len() as f64;
        println!("{what}: {multiple:.2} times its size, {time:.1?} after {small_time:.1?}\n");
        assert!(memory <= MULTIPLE * large.len() + BESIDE, "{what}: {multiple:.2} times its size");
        // 9.5 times the size: what were quadratic would take 90 times as long. A busy machine can only add time, so a
        // second or third run may be faster.
        let most = 30 * small_time + Duration::from_millis(500);
        for _ in 0..2 {
            if time > most {
                time = time.min(cost(optimizer, &large, what).1);
            }
        }
        assert!(time < most, "{what}: {small_time:?}, {time:?}");
    }
    assert_eq!(radam_free(optimizer), RADAM_OK);
}
