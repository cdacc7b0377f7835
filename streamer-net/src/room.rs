//! Room for queues that are empty most of the time: one for each worker thread instead of one for each connection.
//!
//! A connection's queue is filled and emptied within one turn of its task unless the peer is slow. Between turns it
//! need not keep memory; and if it takes the room that the one before gave back, nothing is allocated either.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::thread::LocalKey;

/// The room of this thread, kept by whoever has queues of `T`.
pub type Spare<T> = LocalKey<RefCell<VecDeque<T>>>;

/// Gives `queue` the spare room, unless it has some. Call it before pushing.
pub fn take_room<T>(spare: &'static Spare<T>, queue: &mut VecDeque<T>) {
    if queue.capacity() == 0 {
        spare.with_borrow_mut(|room| std::mem::swap(room, queue));
    }
}

/// Takes the room from `queue` once it is empty; the larger one is kept.
pub fn give_room_back<T>(spare: &'static Spare<T>, queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        spare.with_borrow_mut(|room| {
            if room.capacity() < queue.capacity() {
                std::mem::swap(room, queue);
            }
        });
        *queue = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    thread_local!(static ROOM: RefCell<VecDeque<u32>> = const { RefCell::new(VecDeque::new()) });

    #[test]
    fn one_room_serves_all_queues_that_are_filled_in_turn_and_one_in_use_is_left_alone() {
        let mut queues = [(); 3].map(|()| VecDeque::new());
        for _ in 0..2 {
            for queue in &mut queues {
                for number in 0..40 {
                    take_room(&ROOM, queue);
                    queue.push_back(number);
                }
                give_room_back(&ROOM, queue);
                assert_eq!(queue.len(), 40, "it is in use");
                queue.clear();
                give_room_back(&ROOM, queue);
                assert_eq!(queue.capacity(), 0);
            }
        }
        assert!(ROOM.with_borrow(VecDeque::capacity) >= 40);
    }
}
