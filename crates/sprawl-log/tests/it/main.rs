//! The log store as its users see it, over a simulated disk and over a real one.

mod crash;
mod damage;
mod faults;
mod formats;
mod real;
mod store;
mod world;
