//! One block of a loop, from the first suspicion to its report.
//!
//! The sampler is asked at the threshold, and the report has its answer. If it has not answered
//! [`ANSWER_LIMIT`] later, the caller takes a sample of the stack itself. Nothing is asked before: the
//! sampler pauses the thread, which would make a turn longer that ends before the threshold.
//!
//! | State | Meaning | Next state |
//! | --- | --- | --- |
//! | closed | nothing to report | asked: blocked for the threshold, and there is a sampler. Without a sampler: sampling |
//! | asked | the sampler was asked for the stack | closed: it has answered, [`Step::Report`]. sampling: [`ANSWER_LIMIT`] later. late: the same, and the block has ended |
//! | sampling | [`Step::Sample`] was returned | by [`Case::sampled`]. closed: there is a sample, [`Step::Report`]. late: there is none, [`Step::Report`] without an answer. asked: there is none, and the report can wait |
//! | late | the report was made, and the answer is still missing | closed: it has answered, [`Step::Supplement`] |
//!
//! The next block opens a new case in every state; an answer that is missing then is not used.

use std::time::Duration;

use super::{Moment, Pulse, Verdict, Watch};

/// What to do after a look.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// Nothing.
    Wait,
    /// Ask the sampler for the stack.
    Ask,
    /// Take a sample of the stack now, and call [`Case::sampled`].
    Sample,
    /// Report the block, which has lasted this long so far.
    Report(Duration, Option<A>),
    /// Add the answer to a report that was made without one, after this time of the block.
    Supplement(Duration, A),
}

/// Whether there is something to ask for the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// [`Step::Ask`] is answered by [`Case::answer`].
    Ready,
    /// Nothing can answer.
    Absent,
}

/// Until when a report waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// At most [`ANSWER_LIMIT`]: the report has to come during the block.
    DuringBlock,
    /// Until the block has ended, and [`ANSWER_LIMIT`] from there.
    AfterBlock,
}

/// The longest wait for an answer.
pub const ANSWER_LIMIT: Duration = Duration::from_millis(25);

/// The watch on one loop, and the case of its present block. `A` is the answer of the sampler.
#[derive(Debug)]
pub struct Case<A> {
    watch: Watch,
    sampler: Sampler,
    patience: Patience,
    state: State<A>,
    quiet: Duration,
}

#[derive(Debug)]
enum State<A> {
    Closed,
    Asked {
        until: Duration,
        answer: Option<A>,
        is_sampled: bool,
    },
    Sampling,
    Late {
        answer: Option<A>,
    },
}

impl<A> Case<A> {
    /// Watches a loop with this threshold.
    #[must_use]
    pub fn new(threshold: Duration, sampler: Sampler, patience: Patience) -> Self {
        Self {
            watch: Watch::new(threshold),
            sampler,
            patience,
            state: State::Closed,
            quiet: Duration::ZERO,
        }
    }

    /// Looks at the loop, as [`Watch::look`].
    pub fn look(&mut self, moment: Moment, pulse: Option<Pulse>) -> Step<A> {
        let now = moment.least;
        let is_over = match self.watch.look(moment, pulse) {
            Verdict::Blocked(quiet) => {
                self.quiet = quiet;
                return self.open(now);
            }
            Verdict::Quiet(quiet) => {
                self.quiet = quiet.max(self.quiet);
                false
            }
            Verdict::Alive => true,
        };
        match &mut self.state {
            State::Closed | State::Sampling => Step::Wait,
            State::Asked {
                until,
                answer,
                is_sampled,
            } => {
                if let Some(answer) = answer.take() {
                    self.state = State::Closed;
                    return Step::Report(self.quiet, Some(answer));
                }
                if *is_sampled && !is_over {
                    *until = now + ANSWER_LIMIT;
                }
                if now < *until {
                    return Step::Wait;
                }
                if !is_over && !*is_sampled {
                    self.state = State::Sampling;
                    return Step::Sample;
                }
                self.state = State::Late { answer: None };
                Step::Report(self.quiet, None)
            }
            State::Late { answer } => match answer.take() {
                None => Step::Wait,
                Some(answer) => {
                    self.state = State::Closed;
                    Step::Supplement(self.quiet, answer)
                }
            },
        }
    }

    /// The sample that [`Step::Sample`] has asked for; `None` if it could not be taken.
    pub fn sampled(&mut self, sample: Option<A>) -> Step<A> {
        if !matches!(self.state, State::Sampling) {
            return Step::Wait;
        }
        let can_wait = (self.sampler, self.patience) == (Sampler::Ready, Patience::AfterBlock);
        self.state = match sample {
            None if can_wait => State::Asked {
                until: Duration::MAX,
                answer: None,
                is_sampled: true,
            },
            None => State::Late { answer: None },
            Some(_) => State::Closed,
        };
        if can_wait && sample.is_none() {
            Step::Wait
        } else {
            Step::Report(self.quiet, sample)
        }
    }

    /// The answer to the last [`Step::Ask`]; a later look acts on it.
    pub fn answer(&mut self, given: A) {
        match &mut self.state {
            State::Closed | State::Sampling => {}
            State::Asked { answer, .. } | State::Late { answer } => *answer = Some(given),
        }
    }

    /// Whether the sampler was asked and has not answered.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        matches!(
            self.state,
            State::Asked { answer: None, .. } | State::Late { answer: None }
        )
    }

    /// The watch.
    #[must_use]
    pub const fn watch(&self) -> &Watch {
        &self.watch
    }

    fn open(&mut self, now: Duration) -> Step<A> {
        match self.sampler {
            Sampler::Absent => {
                self.state = State::Sampling;
                Step::Sample
            }
            Sampler::Ready => {
                self.state = State::Asked {
                    until: now + ANSWER_LIMIT,
                    answer: None,
                    is_sampled: false,
                };
                Step::Ask
            }
        }
    }
}
