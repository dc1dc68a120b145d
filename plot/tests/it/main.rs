//! Runs the real `plot` on real files, and checks its pictures, page and numbers.

#[cfg(test)]
mod alerts;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod follow;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod golden_tasks;
#[cfg(test)]
mod groups;
#[cfg(test)]
mod http;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod output;
#[cfg(test)]
mod page;
#[cfg(test)]
mod process;
#[cfg(test)]
mod range_page;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod report;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod task_rows;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod verdict;
