//! Why work on the log directory ends before it is done.

use anyhow::Error;

#[derive(Debug)]
pub enum Halt {
    /// The process is asked to stop. What is on the disk is whole; the rest comes again.
    Stopped,
    /// Going on would break a promise: the process must end.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Failed(error)
    }
}
