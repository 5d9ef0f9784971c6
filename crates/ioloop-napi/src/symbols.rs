//! Functions of the process that the package is loaded into: those of libuv and of V8.

/// A struct of functions, with `get()`, which looks their symbols up once.
///
/// The process outlives the package. Each type has to be the signature of its symbol: that is what a
/// caller of the function relies on.
macro_rules! symbols {
    (
        $(#[$about:meta])*
        $visibility:vis struct $Name:ident {
            $($(#[$contract:meta])* $seen:vis $function:ident: $Signature:ty = $symbol:literal,)+
        }
    ) => {
        $(#[$about])*
        $visibility struct $Name {
            $($(#[$contract])* $seen $function: $Signature,)+
        }

        impl $Name {
            /// The functions of this process.
            ///
            /// # Errors
            ///
            /// The first symbol that is missing.
            $visibility fn get() -> Result<&'static Self, &'static str> {
                static FOUND: std::sync::OnceLock<Result<$Name, String>> =
                    std::sync::OnceLock::new();
                FOUND
                    .get_or_init(|| Self::load().map_err(|missing| missing.to_string()))
                    .as_ref()
                    .map_err(String::as_str)
            }

            fn load() -> Result<Self, libloading::Error> {
                let process = libloading::os::unix::Library::this();
                Ok(Self {
                    // SAFETY: the symbol has this signature, and is never unloaded.
                    $($function: unsafe { *process.get(concat!($symbol, "\0").as_bytes())? },)+
                })
            }
        }
    };
}

pub(crate) use symbols;
