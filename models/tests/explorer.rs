//! The Explorer never dies silently.
#![cfg(feature = "stateright")]

use dynamo_models::explore::{Marks, Space};
use dynamo_models::stateright::{Explorable, ExplorerError, free_address, serve};
use dynamo_models::world::Violated;
use stateright::{Model, Property};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

/// A model with a mistake.
struct Broken;

impl Space for Broken {
    type State = u8;
    type Action = u8;

    fn initial(&self) -> u8 {
        0
    }

    fn actions(&self, _: &u8) -> Vec<u8> {
        vec![0]
    }

    fn step(&self, _: &u8, _: &u8, _: &mut Marks) -> u8 {
        panic!("a mistake in the model")
    }

    fn violated(&self, _: &u8) -> Violated {
        Violated::default()
    }
}

impl Model for Broken {
    type State = u8;
    type Action = u8;

    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
        actions.extend(Space::actions(self, state));
    }

    fn next_state(&self, state: &u8, action: u8) -> Option<u8> {
        Some(self.step(state, &action, &mut Marks::default()))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("nothing", |_, _| true)]
    }
}

impl Explorable for Broken {}

fn any_port() -> SocketAddr {
    free_address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port")
}

#[test]
fn a_panic_of_the_model_ends_the_serving() {
    let address = any_port();
    let server = thread::spawn(move || serve(Broken, address));
    let connects = |_| {
        thread::sleep(Duration::from_millis(5));
        TcpStream::connect(address).ok()
    };
    let mut page = (0..6_000).find_map(connects).expect("it listens");
    write!(page, "GET /.states/0 HTTP/1.0\r\n\r\n").expect("a request");
    let end = server.join().expect("serve returns");
    assert!(matches!(end, ExplorerError::Stopped(_)), "{end}");
    assert!(end.to_string().starts_with("the Explorer has stopped unexpectedly"), "{end}");
}

#[test]
fn a_taken_port_is_an_error() {
    let address = any_port();
    let _taken = std::net::TcpListener::bind(address).expect("it is free");
    let error = free_address(address).expect_err("it is taken");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
