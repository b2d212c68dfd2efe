//! How many cores this process may use, found without allocating: the standard library's
//! `available_parallelism` ends the process where there is no memory.

/// The cores that the affinity mask and, on Linux, the control groups of this process leave it, at least 1.
pub(crate) fn available_cores() -> usize {
    imp::available_cores()
}

#[cfg(target_os = "linux")]
mod imp {
    use std::fs::File;
    use std::io::{Cursor, Read, Write};
    use std::mem::MaybeUninit;
    use std::str::from_utf8;

    pub(super) fn available_cores() -> usize {
        let quota = control_group().map_or(usize::MAX, smallest_quota);
        cores_in_affinity_mask().min(quota).max(1)
    }

    fn cores_in_affinity_mask() -> usize {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed();
        // SAFETY: the set is as large as it says, and all zeros are a valid set.
        unsafe {
            let size = size_of::<libc::cpu_set_t>();
            match libc::sched_getaffinity(0, size, set.as_mut_ptr()) {
                0 => libc::CPU_COUNT(set.assume_init_ref()) as usize,
                _ => 1, // more cores than a set of the usual size can hold
            }
        }
    }

    /// Longer paths than this count as no control group.
    const BYTES: usize = 1024;

    /// The text of a small file, without the whitespace around it.
    fn read<'a>(path: &str, buffer: &'a mut [u8; BYTES]) -> Option<&'a str> {
        let len = File::open(path).ok()?.read(buffer).ok()?;
        from_utf8(&buffer[..len]).ok().map(str::trim)
    }

    /// The path of this process in the hierarchy of control groups (version 2).
    fn control_group() -> Option<Path> {
        let mut buffer = [0; BYTES];
        let groups = read("/proc/self/cgroup", &mut buffer)?;
        groups.lines().find_map(|line| line.strip_prefix("0::")).and_then(Path::new)
    }

    /// Every group on the way to the root may have a quota of its own.
    fn smallest_quota(mut group: Path) -> usize {
        let mut smallest = usize::MAX;
        loop {
            smallest = smallest.min(group.quota().unwrap_or(usize::MAX));
            if !group.ascend() {
                return smallest;
            }
        }
    }

    const ROOT: &str = "/sys/fs/cgroup";

    /// A path under [`ROOT`], in memory of its own.
    struct Path {
        bytes: [u8; BYTES],
        len: usize,
    }

    impl Path {
        fn new(group: &str) -> Option<Self> {
            let mut cursor = Cursor::new([0; BYTES]);
            write!(cursor, "{ROOT}{}", group.trim_end_matches('/')).ok()?;
            let len = cursor.position() as usize;
            Some(Self { bytes: cursor.into_inner(), len })
        }

        /// Goes to the parent, if there is one.
        fn ascend(&mut self) -> bool {
            let parent = self.bytes[..self.len].iter().rposition(|byte| *byte == b'/');
            let below_root = self.len > ROOT.len();
            if let (true, Some(parent)) = (below_root, parent) {
                self.len = parent;
            }
            below_root
        }

        /// The cores that the group may use, rounded up.
        fn quota(&self) -> Option<usize> {
            let mut cursor = Cursor::new([0; BYTES]);
            cursor.write_all(&self.bytes[..self.len]).ok()?;
            cursor.write_all(b"/cpu.max").ok()?;
            let len = cursor.position() as usize;
            let mut buffer = [0; BYTES];
            parse_quota(read(from_utf8(&cursor.get_ref()[..len]).ok()?, &mut buffer)?)
        }
    }

    /// `cpu.max` has the microseconds of all cores together in each period, or "max", and the period.
    fn parse_quota(text: &str) -> Option<usize> {
        let (quota, period) = text.split_once(' ')?;
        let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
        (period > 0).then(|| quota.div_ceil(period) as usize)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn quotas_are_rounded_up_to_whole_cores() {
            assert_eq!(parse_quota("max 100000"), None);
            assert_eq!(parse_quota("200000 100000"), Some(2));
            assert_eq!(parse_quota("150000 100000"), Some(2));
            assert_eq!(parse_quota("10000 100000"), Some(1));
            assert_eq!(parse_quota("1 0"), None);
            assert_eq!(parse_quota(""), None);
        }

        #[test]
        fn every_group_up_to_the_root_is_looked_at() {
            let mut path = Path::new("/a.slice/b.scope").unwrap();
            let mut seen = Vec::new();
            loop {
                seen.push(from_utf8(&path.bytes[..path.len]).unwrap().to_owned());
                if !path.ascend() {
                    break;
                }
            }
            assert_eq!(
                seen,
                ["/sys/fs/cgroup/a.slice/b.scope", "/sys/fs/cgroup/a.slice", "/sys/fs/cgroup"]
            );
            assert_eq!(Path::new("/").unwrap().len, ROOT.len());
            assert!(Path::new(&"x".repeat(BYTES)).is_none());
        }

        #[test]
        fn the_affinity_mask_counts() {
            assert_eq!(available_cores(), std::thread::available_parallelism().unwrap().get());
        }
    }
}

#[cfg(windows)]
mod imp {
    use std::os::windows::io::BorrowedHandle;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> BorrowedHandle<'static>;
        fn GetProcessAffinityMask(
            process: BorrowedHandle,
            of_process: *mut usize,
            of_system: *mut usize,
        ) -> i32;
    }

    pub(super) fn available_cores() -> usize {
        let (mut of_process, mut of_system) = (0, 0);
        // SAFETY: both masks are there to be written.
        unsafe { GetProcessAffinityMask(GetCurrentProcess(), &mut of_process, &mut of_system) };
        match of_process.count_ones() {
            // Cores in several groups, which the standard library counts without allocating.
            0 => std::thread::available_parallelism().map_or(1, |cores| cores.get()),
            cores => cores as usize,
        }
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod imp {
    pub(super) fn available_cores() -> usize {
        std::thread::available_parallelism().map_or(1, |cores| cores.get())
    }
}
