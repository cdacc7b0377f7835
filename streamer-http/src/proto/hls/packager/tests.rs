//! The packager as a whole: streams of every kind, and what must hold of their windows.

mod read;
mod script;
mod valid;

mod cases;
mod encrypted;
mod properties;
