//! What `make install`, `make dist` and the CMake files give, used as a new user would: from installed files, and from
//! folders without sources.
#![cfg(target_os = "linux")]

mod common;

#[path = "install/cmake.rs"]
mod cmake;
#[path = "install/dist.rs"]
mod dist;
#[path = "install/files.rs"]
mod files;
#[path = "install/pkg_config.rs"]
mod pkg_config;
#[path = "install/prefix.rs"]
mod prefix;
#[path = "install/static_library.rs"]
mod static_library;
