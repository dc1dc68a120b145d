//! Why work on the log directory ends early.

use anyhow::Error;

#[derive(Debug)]
pub enum Halt {
    /// The process is asked to stop. The files are consistent, and the rest is redelivered.
    Stopped,
    /// The process must end, because going on would break a promise.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Failed(error)
    }
}
