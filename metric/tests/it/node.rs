//! The brokers of these tests themselves.

use glue::testing::Node;
use std::thread;

#[test]
fn of_two_that_start_at_one_port_only_the_one_that_listens_is_up() {
    let nodes = [Node::prepare(), Node::prepare()];
    let port = nodes[0].url.rsplit_once(':').unwrap().1.split('/').next().unwrap();
    let [first, second] = thread::scope(|scope| {
        let starts = nodes.each_ref().map(|node| scope.spawn(|| node.start_at(port)));
        starts.map(|start| start.join().unwrap())
    });
    let said = match (first, second) {
        (Ok(()), Err(said)) | (Err(said), Ok(())) => said,
        both => panic!("{both:?}"),
    };
    assert!(said.contains(&format!("port {port} is taken")), "{said}");
}
