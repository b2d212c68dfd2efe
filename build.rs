//! Gives the shared library the name by which programs load it, and says whether GPUs are supported.

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");

    let out_dir = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    if supports_gpus() {
        println!("cargo:rustc-cfg=cuda");
        compress_kernels(&out_dir);
    }
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => set_soname(&out_dir),
        // Programs look for it in their run path. By default, they would look in the folder where cargo has built it.
        Ok("macos") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libradam.dylib")
        }
        _ => {}
    }
}

/// Whether the feature is on, and the system one for which NVIDIA has a driver of CUDA 12.
fn supports_gpus() -> bool {
    let is = |name, values: &[&str]| env::var(name).is_ok_and(|value| values.contains(&&*value));
    env::var_os("CARGO_FEATURE_CUDA").is_some()
        && is("CARGO_CFG_TARGET_OS", &["linux", "windows"])
        && is("CARGO_CFG_TARGET_POINTER_WIDTH", &["64"])
        && is("CARGO_CFG_TARGET_ENDIAN", &["little"])
}

/// Text for the driver's compiler, which packs to a fifth.
#[cfg(feature = "cuda")]
fn compress_kernels(out_dir: &Path) {
    const KERNELS: &str = "src/cuda/kernels/kernels.ptx";
    println!("cargo:rerun-if-changed={KERNELS}");
    let text = std::fs::read(KERNELS).expect("the kernels are in the repository");
    let packed = miniz_oxide::deflate::compress_to_vec(&text, 9);
    std::fs::write(out_dir.join("kernels.deflate"), packed).expect("OUT_DIR can be written");
    println!("cargo:rustc-env=RADAM_KERNELS_LEN={}", text.len());
}

#[cfg(not(feature = "cuda"))]
fn compress_kernels(_: &Path) {}

/// Sets the name by which programs load the library. Before 1.0 it has the minor version, which may break
/// compatibility. A link of this name is put beside the `libradam.so` that cargo writes, so that programs linked in
/// the target folder also run there.
fn set_soname(out_dir: &Path) {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let soname = format!("libradam.so.{major}.{minor}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");

    // OUT_DIR is <target>/<profile>/build/radam-<hash>/out.
    #[cfg(unix)]
    if let Some(profile_dir) = out_dir.ancestors().nth(3) {
        let _ = std::os::unix::fs::symlink("libradam.so", profile_dir.join(soname));
    }
    #[cfg(not(unix))]
    let _ = out_dir;
}
