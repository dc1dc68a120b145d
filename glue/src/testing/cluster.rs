//! Three nodes of one cluster, for tests that kill and pause them. Never decides what a test may expect of it.

use super::{Node, wait_for};
use std::thread;

/// A cluster of three nodes of the test's own. It takes them some twenty seconds to start.
pub struct Cluster {
    /// The second and the third have joined the first.
    pub nodes: [Node; 3],
}

impl Cluster {
    /// Starts it and waits until all three take connections.
    pub fn start() -> Cluster {
        let first = Node::start();
        // One after another: two that join at once may miss each other.
        let (second, third) = (first.join(), first.join());
        Cluster { nodes: [first, second, third] }
    }

    /// Their URLs as the services take them, with commas between them.
    pub fn urls(&self) -> String {
        self.nodes.each_ref().map(|node| node.url.as_str()).join(",")
    }

    /// Starts those of the nodes that do not run, at the same time: where a majority is missing, none is up before another one is.
    pub fn start_again(&self, numbers: &[usize]) {
        thread::scope(|scope| {
            for &number in numbers {
                scope.spawn(move || self.nodes[number].command("start"));
            }
        });
    }

    /// Waits until each node has the other two, and each quorum queue a replica at work on all three.
    pub fn wait_until_whole(&self) {
        wait_for("whole cluster", || self.nodes.iter().all(is_whole).then_some(()));
    }

    /// Waits until the node `from` has given up the node `number`, which does not answer.
    pub fn wait_until_given_up(&self, number: usize, from: usize) {
        let name = self.nodes[number].name();
        wait_for("given up node", || {
            (!self.nodes[from].eval("rabbit_nodes:all_running().").contains(&name)).then_some(())
        });
    }
}

/// As this node sees it. It may be about to stop serving, and then has no answer.
fn is_whole(node: &Node) -> bool {
    let text = "Queues = [Queue || Queue <- rabbit_amqqueue:list(), amqqueue:get_type(Queue) =:= rabbit_quorum_queue], \
                Online = [length(proplists:get_value(online, rabbit_amqqueue:info(Queue, [online]))) || Queue <- Queues], \
                {length(rabbit_nodes:all_running()), lists:all(fun(N) -> N =:= 3 end, Online)}.";
    node.try_eval(text).is_some_and(|value| value.starts_with("{ok, {3, true}"))
}
