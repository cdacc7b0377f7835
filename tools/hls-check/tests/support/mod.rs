//! A synthetic origin that is right, until a fault is put into it.

#![allow(dead_code, unreachable_pub, reason = "each test crate uses its part of it")]

pub mod fmp4;
pub mod origin;
pub mod sim;
pub mod ts;
