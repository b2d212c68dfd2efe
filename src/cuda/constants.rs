//! Where the constants of steps are on the device. There are two places, which take turns: while a step reads one, it prepares
//! the next step in the other.

use super::buffers::Growing;
use super::driver::DevicePointer;
use super::layout::{CONSTANTS_SIZE, PrepareArgs};

pub(super) struct Constants {
    pub places: [Growing; 2],
    current: usize,
    /// How the next step is prepared, if it is.
    pub ahead: Option<PrepareArgs>,
}

impl Constants {
    pub const NONE: Self =
        Self { places: [const { Growing::new(CONSTANTS_SIZE) }; 2], current: 0, ahead: None };

    /// Those of the present step.
    pub fn now(&self) -> DevicePointer {
        self.places[self.current].buffer.pointer
    }

    /// Those of the step after it.
    pub fn next(&self) -> DevicePointer {
        self.places[1 - self.current].buffer.pointer
    }

    /// Goes on to the step after it.
    pub fn turn(&mut self) {
        self.current = 1 - self.current;
    }
}
