//! Structs that grow from version to version.
//!
//! Each begins with its size, which tells the library the version that a caller was compiled with. Structs grow only
//! at their end: the fields that a shorter one lacks have their defaults.

use super::arguments::not_null;
use crate::error::{Result, ensure};
use std::fmt::Display;
use std::ptr;

/// A struct that begins with its size, a u32.
pub(super) trait Versioned: Copy {
    const NAME: &str;
    /// The sizes of earlier versions, from the first on.
    const EARLIER_SIZES: &[usize] = &[];
    const DEFAULTS: Self;
}

/// Fills the caller's struct, whose version is that of this size, with the defaults.
///
/// # Safety
/// `target` is null or has `struct_size` writable bytes.
pub(super) unsafe fn init<T: Versioned>(
    name: &str,
    target: *mut T,
    struct_size: u32,
) -> Result<()> {
    not_null(name, target, "the struct to fill")?;
    let size = check_size::<T>("struct_size", struct_size)?;
    // SAFETY: `target` has `size` writable bytes.
    unsafe { write_prefix(&T::DEFAULTS, target, size) };
    Ok(())
}

/// The size, if it is that of some version.
fn check_size<T: Versioned>(name: impl Display, struct_size: u32) -> Result<usize> {
    let size = struct_size as usize;
    ensure!(
        size == size_of::<T>() || T::EARLIER_SIZES.contains(&size),
        InvalidArgument,
        "{name} is {struct_size}, a size which no version had; it must be sizeof({struct_name}), {} bytes, as \
         {struct_name}_init sets it",
        size_of::<T>(),
        struct_name = T::NAME
    );
    Ok(size)
}

/// Copies the caller's struct, after checking its size. `place` comes before the names of fields in messages.
///
/// # Safety
/// `source` points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn read<T: Versioned>(place: impl Display, source: *const T) -> Result<T> {
    // SAFETY: `source` begins with its size.
    let size = unsafe { size_at(place, source) }?;
    let mut copy = T::DEFAULTS;
    // SAFETY: both have this many bytes; the source may be misaligned.
    unsafe { ptr::copy_nonoverlapping(source.cast::<u8>(), (&raw mut copy).cast(), size) };
    Ok(copy)
}

/// Copies the caller's options, after checking their size; the defaults for NULL.
///
/// # Safety
/// `options` is null or points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn read_or_defaults<T: Versioned>(options: *const T) -> Result<T> {
    // SAFETY: `options` is not NULL, so it is as long as its struct_size says.
    if options.is_null() { Ok(T::DEFAULTS) } else { unsafe { read("options.", options) } }
}

/// The size in the caller's struct, after checking it.
///
/// # Safety
/// `source` points to as many bytes as the `struct_size` there says.
pub(super) unsafe fn size_at<T: Versioned>(place: impl Display, source: *const T) -> Result<usize> {
    // SAFETY: every struct begins with its size.
    let struct_size = unsafe { source.cast::<u32>().read_unaligned() };
    check_size::<T>(format_args!("{place}struct_size"), struct_size)
}

/// Overwrites the caller's struct, except for its size, after checking that.
///
/// # Safety
/// `target` points to as many writable bytes as the `struct_size` there says.
pub(super) unsafe fn write<T: Versioned>(
    place: impl Display,
    value: &T,
    target: *mut T,
) -> Result<()> {
    // SAFETY: `target` begins with its size, and is as long.
    unsafe {
        let size = size_at(place, target)?;
        write_prefix(value, target, size);
    }
    Ok(())
}

/// Writes the first `size` bytes, with `size` as their `struct_size`.
///
/// # Safety
/// The target has this many writable bytes.
unsafe fn write_prefix<T: Versioned>(value: &T, target: *mut T, size: usize) {
    debug_assert!(size_of::<u32>() <= size && size <= size_of::<T>());
    let source = ptr::from_ref(value).cast::<u8>();
    // SAFETY: `target` has `size` writable bytes, no more than a T has; a T begins with its size.
    unsafe {
        ptr::copy_nonoverlapping(source, target.cast(), size);
        target.cast::<u32>().write_unaligned(size as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Grown {
        struct_size: u32,
        first: u32,
        later: u64,
    }

    impl Versioned for Grown {
        const NAME: &str = "grown";
        const EARLIER_SIZES: &[usize] = &[8];
        const DEFAULTS: Self = Self { struct_size: 16, first: 1, later: 2 };
    }

    const CALLERS: Grown = Grown { struct_size: 8, first: 77, later: 78 };

    #[test]
    fn an_older_struct_is_filled_as_far_as_it_goes() {
        let mut target = CALLERS;
        // SAFETY: the target has as many bytes as its size says.
        unsafe {
            init("target", &mut target, 8).unwrap();
            assert_eq!(target, Grown { struct_size: 8, first: 1, later: 78 });
            write("target.", &Grown { struct_size: 16, first: 3, later: 4 }, &mut target).unwrap();
            assert_eq!(target, Grown { struct_size: 8, first: 3, later: 78 });
            init("target", &mut target, 16).unwrap();
            assert_eq!(target, Grown::DEFAULTS);
        }
    }

    #[test]
    fn what_an_older_struct_lacks_has_its_default() {
        // SAFETY: the source has as many bytes as its size says.
        unsafe {
            assert_eq!(read("source.", &CALLERS).unwrap(), Grown { later: 2, ..CALLERS });
            let newer = Grown { struct_size: 16, ..CALLERS };
            assert_eq!(read_or_defaults(&newer).unwrap(), newer);
            assert_eq!(read_or_defaults::<Grown>(ptr::null()).unwrap(), Grown::DEFAULTS);
        }
    }

    #[test]
    fn a_size_that_no_version_had_is_refused() {
        for struct_size in [0, 4, 7, 9, 15, 17, u32::MAX] {
            let mut target = Grown { struct_size, ..CALLERS };
            // SAFETY: no more than the size is read.
            unsafe {
                let error = read("target.", &target).unwrap_err().message;
                assert!(
                    error.starts_with(&format!("target.struct_size is {struct_size}, ")),
                    "{error}"
                );
                assert!(write("target.", &Grown::DEFAULTS, &mut target).is_err());
                assert!(init("target", &mut target, struct_size).is_err());
            }
            assert_eq!(target, Grown { struct_size, ..CALLERS });
        }
    }
}
