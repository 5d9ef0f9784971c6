//! Names of registrations: a slab index and a generation, packed into mio's word.

/// Names one registration. A token is stale once its registration was removed; operations on it
/// then have no effect, even if the index is in use again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

/// Reserved for the waker of the inbox.
pub(crate) const WAKE: mio::Token = mio::Token(usize::MAX);
/// Reserved for the alarm that ends a wait at the earliest deadline.
pub(crate) const ALARM: mio::Token = mio::Token(usize::MAX - 1);

impl Token {
    /// The index of the registration. Indices are dense and reused.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    pub(super) const fn generation(self) -> u32 {
        self.generation
    }

    /// `index` is at most [`MAX_INDEX`]; the generation wraps.
    pub(super) const fn new(index: u32, generation: u32) -> Self {
        Self {
            index,
            generation: generation & GENERATION_MASK,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the masks make both halves fit"
    )]
    pub(super) const fn from_mio(token: mio::Token) -> Self {
        Self {
            index: (token.0 & INDEX_MASK as usize) as u32,
            generation: (token.0 >> INDEX_BITS) as u32 & GENERATION_MASK,
        }
    }

    pub(super) const fn to_mio(self) -> mio::Token {
        mio::Token((self.generation as usize) << INDEX_BITS | self.index as usize)
    }
}

/// A word of 64 bits holds 32 bits of each; one of 32 bits holds an index of 20 and a generation of
/// 12.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const GENERATION_MASK: u32 = if usize::BITS >= 64 {
    u32::MAX
} else {
    (1 << 12) - 1
};

/// Half the number of generations.
pub(super) const BOUNDARY: u32 = GENERATION_MASK / 2 + 1;

/// Whether a half of the generations begins here.
pub(super) const fn is_boundary(generation: u32) -> bool {
    generation.is_multiple_of(BOUNDARY)
}

const INDEX_MASK: u32 = if usize::BITS >= 64 {
    u32::MAX
} else {
    (1 << INDEX_BITS) - 1
};

/// The largest index of a registration. The two above it belong to [`WAKE`] and [`ALARM`].
pub(super) const MAX_INDEX: u32 = INDEX_MASK - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_conversion_to_mio() {
        for (index, generation) in [(0, 0), (1, 7), (MAX_INDEX, GENERATION_MASK)] {
            let token = Token::new(index, generation);
            assert_eq!(Token::from_mio(token.to_mio()), token);
        }
    }

    #[test]
    fn a_token_of_another_generation_is_another_token() {
        assert_ne!(Token::new(3, 1), Token::new(3, 2));
    }

    #[test]
    fn the_reserved_tokens_name_no_registration() {
        assert!(Token::from_mio(WAKE).index() > MAX_INDEX);
        assert!(Token::from_mio(ALARM).index() > MAX_INDEX);
    }
}
