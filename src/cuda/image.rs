//! The kernels as the driver takes them: text of an abstract machine, PTX, for drivers of CUDA 12 and devices of compute
//! capability 7.0 and later. `make ptx` makes it from `kernels/`; build.rs packs it.

use crate::error::{Result, error};
use crate::system::try_box;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernels.deflate"));

/// The text, and a 0.
pub(super) fn unpacked() -> Result<Vec<u8>> {
    let len: usize = env!("RADAM_KERNELS_LEN").parse().unwrap_or(0);
    let mut text = Vec::new();
    text.try_reserve_exact(len + 1).map_err(|_| {
        error!(OutOfMemory, "there is no memory for the kernels of the GPU, {len} bytes")
    })?;
    text.resize(len + 1, 0);
    let mut state = try_box(DecompressorOxide::new())?;
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let (status, _, written) = decompress(&mut state, PACKED, &mut text[..len], 0, flags);
    debug_assert!(status == TINFLStatus::Done && written == len);
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_come_back_as_they_were() {
        let text = super::unpacked().unwrap();
        let (end, text) = text.split_last().unwrap();
        assert_eq!(*end, 0);
        assert!(text == include_bytes!("kernels/kernels.ptx"));
    }
}
