//! The functions of JavaScript by the addresses of their code, as V8 reports them to profilers.
//!
//! V8 does not report the end of a function's code. Code whose memory is in use for other code is
//! forgotten, so that the map grows with the memory of code, up to [`CAPACITY`] entries.

use std::collections::BTreeMap;

/// The most entries; code that is added beyond is not found.
pub const CAPACITY: usize = 1 << 18;

/// The functions of one isolate.
#[derive(Debug, Default)]
pub struct CodeMap {
    codes: BTreeMap<usize, Code>,
    moves: u64,
}

#[derive(Debug)]
struct Code {
    len: usize,
    /// As V8 describes it, without the kind: `name url:line:column`.
    description: Box<str>,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Empty if it has none.
    pub name: &'a str,
    /// Where it begins: `url:line:column`.
    pub place: &'a str,
}

impl CodeMap {
    /// Code was made. Only that of functions is kept: descriptions such as
    /// `JS:~name file:///a.mjs:1:2`.
    pub fn add(&mut self, start: usize, len: usize, description: &str) {
        let end = start.saturating_add(len.max(1));
        self.forget(start, end);
        let Some(described) = function_of(description) else {
            return;
        };
        if self.codes.len() < CAPACITY {
            let description = described.into();
            self.codes.insert(start, Code { len, description });
        }
    }

    /// The garbage collector has moved code.
    pub fn relocate(&mut self, from: usize, to: usize) {
        self.moves += 1;
        let Some(code) = self.codes.remove(&from) else {
            return;
        };
        self.forget(to, to.saturating_add(code.len.max(1)));
        self.codes.insert(to, code);
    }

    /// The function whose code has this address, which may be the end of the code: a return address.
    #[must_use]
    pub fn find(&self, address: usize) -> Option<Function<'_>> {
        let (start, code) = self.codes.range(..=address).next_back()?;
        let is_inside = address - start <= code.len;
        is_inside.then(|| Function::parse(&code.description))
    }

    /// How often code has moved. Addresses are valid while this stays the same.
    #[must_use]
    pub const fn moves(&self) -> u64 {
        self.moves
    }

    /// How many functions it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Forgets what overlaps the range.
    fn forget(&mut self, start: usize, end: usize) {
        let before = self.codes.range(..start).next_back();
        if let Some((&key, code)) = before
            && key.saturating_add(code.len) > start
        {
            self.codes.remove(&key);
        }
        while let Some((&key, _)) = self.codes.range(start..end).next() {
            self.codes.remove(&key);
        }
    }
}

impl<'a> Function<'a> {
    /// A name has no space, except that of an accessor: `get name`.
    fn parse(description: &'a str) -> Self {
        let prefix = ["get ", "set "].into_iter().find(|&kind| {
            description
                .strip_prefix(kind)
                .is_some_and(|rest| rest.contains(' '))
        });
        let skipped = prefix.map_or(0, str::len);
        let (name, place) = match description[skipped..].find(' ') {
            Some(at) => description.split_at(skipped + at),
            None => (description, ""),
        };
        let place = place.trim_start();
        Self { name, place }
    }
}

/// The description without its kind and the mark of its compiler; `None` if it is not a function's.
fn function_of(description: &str) -> Option<&str> {
    let (kind, rest) = description.split_once(':')?;
    let is_function = matches!(kind, "JS" | "Function" | "LazyCompile" | "Script" | "Eval");
    let marked = match rest.strip_prefix('o') {
        // Code that was optimised while it ran.
        Some(optimised) if optimised.starts_with(['*', '+']) => optimised,
        _ => rest,
    };
    is_function.then(|| marked.trim_start_matches(MARKS))
}

/// Marks of compilers: interpreted, baseline, optimised in the middle, optimised, and so on.
const MARKS: [char; 6] = ['~', '^', '+', '*', '\'', '?'];
