//! A thread for calls that wait for the broker's answer. Knows no queue.

use anyhow::{Context, Result};
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::thread::{self, JoinHandle};

/// A thread that receives commands. Dropping the worker closes the channel and joins the thread.
pub struct Worker<C> {
    commands: Option<Sender<C>>,
    thread: Option<JoinHandle<()>>,
}

impl<C: Send + 'static> Worker<C> {
    pub fn spawn(work: impl FnOnce(&Receiver<C>) + Send + 'static) -> Worker<C> {
        let (commands, received) = unbounded();
        Worker { commands: Some(commands), thread: Some(thread::spawn(move || work(&received))) }
    }

    /// # Errors
    /// The thread has ended, because the connection has.
    pub fn send(&self, command: C) -> Result<()> {
        let sent = self.commands.as_ref().and_then(|commands| commands.send(command).ok());
        sent.context("connection lost")
    }
}

impl<C> Drop for Worker<C> {
    fn drop(&mut self) {
        self.commands = None;
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
