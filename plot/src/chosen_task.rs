//! Which task the rows are read as: that of `--task`, or else the one that `metric` names, and what there is to say about it.
//! Never reads a file.

use crate::logs::task::Task;
use log::Level;

pub struct ChosenTask {
    /// That of `--task`.
    setting: Option<Task>,
    pub task: Task,
    /// What `metric` named last.
    named: Option<String>,
}

impl ChosenTask {
    pub fn new(setting: Option<Task>) -> Self {
        ChosenTask { setting, task: setting.unwrap_or_default(), named: None }
    }

    /// Takes in what `metric` names. Returns what is new about it.
    pub fn take(&mut self, named: &str) -> Option<(Level, String)> {
        if self.named.as_deref() == Some(named) {
            return None;
        }
        self.named = Some(named.to_owned());
        let said = format!("metric_status.json says task {}", named.escape_debug());
        match (self.setting, Task::named(named)) {
            (Some(setting), found) if found != Some(setting) => {
                let name = setting.name();
                Some((Level::Warn, format!("{said}, --task (TASK) says {name}: rows are read as {name}")))
            }
            (None, Some(found)) if found != self.task => {
                self.task = found;
                Some((Level::Info, format!("{said}: rows are read as that")))
            }
            (None, None) => {
                let name = self.task.name();
                Some((Level::Warn, format!("{said}, which this plot does not know: rows are read as {name}")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_setting_the_task_is_that_of_metric() {
        let mut chosen = ChosenTask::new(None);
        assert_eq!((chosen.task, chosen.take("regression")), (Task::Regression, None));
        let (level, line) = chosen.take("binary").unwrap();
        assert_eq!((level, chosen.task), (Level::Info, Task::Binary));
        assert_eq!(line, "metric_status.json says task binary: rows are read as that");
        assert_eq!(chosen.take("binary"), None);
        let (level, line) = chosen.take("ranks\n").unwrap();
        assert_eq!((level, chosen.task), (Level::Warn, Task::Binary));
        assert!(line.contains("ranks\\n, which this plot does not know"), "{line}");
        assert!(chosen.take("classes").is_some());
        assert_eq!(chosen.task, Task::Classes);
    }

    #[test]
    fn a_setting_holds_and_another_one_of_metric_is_said_once() {
        let mut chosen = ChosenTask::new(Some(Task::Binary));
        assert_eq!(chosen.take("binary"), None);
        let (level, line) = chosen.take("classes").unwrap();
        assert_eq!((level, chosen.task), (Level::Warn, Task::Binary));
        assert_eq!(
            line,
            "metric_status.json says task classes, --task (TASK) says binary: rows are read as binary"
        );
        assert_eq!(chosen.take("classes"), None);
        assert!(chosen.take("ranks").is_some());
    }
}
