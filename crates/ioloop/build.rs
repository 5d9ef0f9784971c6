//! Which selector the core is built on: `cfg(selector = "epoll")`, `"kqueue"` or `"poll"`. The one
//! place that decides.

use std::env;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(selector, values(\"epoll\", \"kqueue\", \"poll\"))");
    println!("cargo::rustc-cfg=selector=\"{}\"", selector());
    println!("cargo::rerun-if-changed=build.rs");
}

fn selector() -> &'static str {
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
