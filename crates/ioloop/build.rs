//! Which selector the core is built on: `cfg(selector = "epoll")`, `"kqueue"`, `"poll"` or `"none"`.
//! The one place that decides: `ioloop-napi` gets the answer as metadata of this build.

use std::env;

fn main() {
    println!(
        "cargo::rustc-check-cfg=cfg(selector, values(\"epoll\", \"kqueue\", \"poll\", \"none\"))"
    );
    let selector = selector();
    println!("cargo::rustc-cfg=selector=\"{selector}\"");
    println!("cargo::metadata=selector={selector}");
    println!("cargo::rerun-if-changed=build.rs");
}

fn selector() -> &'static str {
    // Without descriptors there is nothing to select: WebAssembly, Windows.
    if env::var_os("CARGO_CFG_UNIX").is_none() {
        return "none";
    }
    // The switch that makes mio use poll(2), for tests on systems that have more.
    if env::var_os("CARGO_CFG_MIO_UNSUPPORTED_FORCE_POLL_POLL").is_some() {
        return "poll";
    }
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux" | "android" | "illumos") => "epoll",
        Ok(
            "macos" | "ios" | "tvos" | "watchos" | "visionos" | "freebsd" | "netbsd" | "openbsd"
            | "dragonfly",
        ) => "kqueue",
        _ => "poll",
    }
}
