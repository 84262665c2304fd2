//! What a request to a route of contract `direct` may cost. Alone in its process: its memory is counted.

mod memory;

use sockeye::contracts::direct::Direct;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_costs_a_small_multiple_of_what_it_is_sent() {
    memory::every_route_costs_a_small_multiple_of_what_it_is_sent(&Direct::new()).await;
}
