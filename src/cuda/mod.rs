//! Parameters and state in the memory of an NVIDIA GPU.
//!
//! - `kernels/`: the kernels, in CUDA C++, and what `make ptx` makes of them.
//! - `driver.rs`: the driver's library. `layout.rs`: what is handed to kernels.
//! - `image.rs`: what is handed to the driver as a program. `program.rs`: the kernels that it makes of it.
//! - `mod.rs`: a device. `states.rs`: the memory of states. `pointers.rs`: checks of callers' pointers. `buffers.rs`: memory of the
//!   device and page-locked memory.
//! - `tables.rs`: what a launch steps. `upload.rs`: bringing the tables to the device while it works.
//! - `step.rs`: the launches of a step. `constants.rs`: where its constants are. `capture.rs`: what may wait, and what graphs change.

mod buffers;
mod capture;
mod constants;
mod driver;
mod image;
mod layout;
mod pointers;
mod program;
mod states;
mod step;
mod tables;
mod upload;

use crate::error::{Result, ensure};
use crate::optimizer::{Group, Param};
use crate::system::process_id;
use buffers::{Buffer, Growing, Pinned, Retired};
use capture::{check_can_wait, is_capturing, wait};
use constants::Constants;
use driver::{DevicePointer, Driver, Handle};
use layout::{DeviceGroup, PrepareArgs, SetGroupArgs, THREADS};
use program::{Kernel, Program};
use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use step::SUMS;
use tables::Tables;
use upload::Uploads;

/// Bytes that are copied at once between state and the caller's process.
const STAGING: usize = 1 << 20;

/// Groups up to which a step that is prepared is prepared anew by each one whose options change: one launch of all parameters
/// after another. With more, preparing it once is quicker.
const GROUPS_AHEAD: usize = 2;

/// A GPU, as one optimizer uses it: in its primary context, on one stream.
pub(crate) struct Device {
    driver: Driver,
    /// A forked child has no device.
    process: u32,
    ordinal: c_int,
    device: c_int,
    context: Handle,
    program: Program,
    work: Mutex<Work>,
}

/// What belongs to work that is enqueued, by one call at a time.
struct Work {
    stream: Handle,
    staging: Pinned,
    groups: Growing,
    group_count: usize,
    steps: Growing,
    constants: Constants,
    /// For each tensor, how many blocks of a small step know its step count.
    arrived: Growing,
    /// Of gradients, of updates and of parameters; then how many blocks have read the first.
    sums: Buffer,
    /// Whether they will be 0 when what is enqueued has run.
    sums_are_clear: bool,
    tables: Tables,
    stale: Stale,
    uploads: Uploads,
    /// Whether graphs may hold addresses of buffers, so that these are kept.
    captured: bool,
    /// What only graphs may use, or could not be freed when it was given back.
    retired: Vec<Retired>,
}

/// What of the tables is not as the optimizer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stale {
    No,
    /// The tensors on the device.
    Tensors,
    /// All of them.
    All,
}

// SAFETY: the driver's handles may be used on any thread, and each call makes the context current first.
unsafe impl Send for Device {}
// SAFETY: as above; what changes is behind the lock.
unsafe impl Sync for Device {}
// SAFETY: as above.
unsafe impl Send for Work {}

impl fmt::Debug for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.debug_struct("Device").field("ordinal", &self.ordinal).finish_non_exhaustive()
    }
}

/// The device's context as the current one of this thread, until this is dropped.
struct Current<'a>(&'a Driver);

impl Drop for Current<'_> {
    fn drop(&mut self) {
        let mut context = ptr::null_mut();
        // SAFETY: `context` is writable, and the context was pushed when this was made.
        let _ = unsafe { self.0.context_pop(&mut context) };
    }
}

impl Device {
    /// The GPU of this ordinal, with its primary context. Work is enqueued on the stream.
    pub fn open(ordinal: i32, stream: *mut c_void) -> Result<Self> {
        let driver = Driver::load()?;
        let (mut count, mut device, mut context) = (0, 0, ptr::null_mut());
        // SAFETY: the outputs are writable.
        unsafe {
            driver.init(0)?;
            driver.device_get_count(&mut count)?;
            ensure!(
                count > 0,
                Device,
                "options.device is RADAM_DEVICE_CUDA, but the NVIDIA driver finds no GPU"
            );
            ensure!(
                (0..count).contains(&ordinal),
                InvalidArgument,
                "options.cuda_device is {ordinal}; it must be the number of a GPU, from 0 to {}",
                count - 1
            );
            driver.device_get(&mut device, ordinal)?;
            const COMPUTE_CAPABILITY_MAJOR: c_int = 75;
            let mut capability = 0;
            driver.device_get_attribute(&mut capability, COMPUTE_CAPABILITY_MAJOR, device)?;
            ensure!(
                capability >= 7,
                Device,
                "the GPU that options.cuda_device names, {ordinal}, is of compute capability {capability}; it must be of 7.0 \
                 or later"
            );
            driver.primary_context_retain(&mut context, device)?;
        }
        // What has been made of it is given back if the rest cannot be.
        let mut device = Self {
            driver,
            process: process_id(),
            ordinal,
            device,
            context,
            program: Program::NONE,
            work: Mutex::new(Work {
                stream,
                staging: Pinned::NONE,
                groups: Growing::new(size_of::<DeviceGroup>()),
                group_count: 0,
                steps: Growing::new(size_of::<u64>()),
                constants: Constants::NONE,
                arrived: Growing::new(size_of::<u32>()),
                sums: Buffer::NONE,
                sums_are_clear: false,
                tables: Tables::default(),
                stale: Stale::No,
                uploads: Uploads::NONE,
                captured: false,
                retired: Vec::new(),
            }),
        };
        device.prepare()?;
        Ok(device)
    }

    /// Loads the kernels, and allocates what every step needs.
    fn prepare(&mut self) -> Result<()> {
        let Self { driver, context, program, work, .. } = self;
        // SAFETY: the context is retained.
        unsafe { driver.context_push(*context) }?;
        let _current = Current(driver);
        *program = Program::acquire(driver, *context)?;
        let work = work.get_mut().unwrap_or_else(PoisonError::into_inner);
        work.staging = Pinned::new(driver, STAGING)?;
        work.sums = Buffer::new(driver, SUMS)?;
        work.uploads.open(driver)
    }

    /// Makes the context current.
    fn enter(&self) -> Result<Current<'_>> {
        // SAFETY: the context is retained for as long as the device is open.
        unsafe { self.driver.context_push(self.context) }?;
        Ok(Current(&self.driver))
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enqueues work on another stream from now on, after what is enqueued already. A graph cannot depend on work from before
    /// its capture, nor other work on a graph, so a stream that is being captured neither waits nor is waited for: whoever
    /// launches the graph does.
    pub fn set_stream(&self, stream: *mut c_void) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        if stream == work.stream {
            return Ok(());
        }
        if !is_capturing(&self.driver, stream)? && !is_capturing(&self.driver, work.stream)? {
            let done = work.uploads.moved();
            // SAFETY: the streams are the caller's, and the event is the library's.
            unsafe {
                self.driver.event_record(done, work.stream)?;
                self.driver.stream_wait_event(stream, done, 0)?;
            }
        }
        work.stream = stream;
        Ok(())
    }

    /// Launches a kernel with blocks of so many threads. A is the struct that it takes.
    fn launch<A: Copy>(
        &self,
        stream: Handle,
        kernel: Handle,
        blocks: usize,
        threads: usize,
        arguments: A,
    ) -> Result<()> {
        self.launch_with(stream, kernel, blocks, threads, (arguments, ()))
    }

    /// As `launch`, with two structs.
    fn launch_with<A: Copy, B: Copy>(
        &self,
        stream: Handle,
        kernel: Handle,
        blocks: usize,
        threads: usize,
        (mut first, mut second): (A, B),
    ) -> Result<()> {
        if blocks == 0 {
            return Ok(());
        }
        let mut arguments = [ptr::from_mut(&mut first).cast(), ptr::from_mut(&mut second).cast()];
        // SAFETY: the kernel takes these structs, of which the driver copies as many as it takes, and what they point to is device
        // memory that is kept until the work on the stream is done.
        unsafe {
            self.driver.launch(
                kernel,
                blocks as u32,
                1,
                1,
                threads as u32,
                1,
                1,
                0,
                stream,
                arguments.as_mut_ptr(),
                ptr::null_mut(),
            )
        }
    }

    fn kernel(&self, kernel: Kernel) -> Handle {
        self.program.kernel(kernel)
    }

    /// Makes room for so many groups and for more parameters, the first of which has this id, so that steps never allocate.
    pub fn reserve(&self, groups: usize, first: usize, new: &[Param]) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        let work = &mut *work;
        work.constants.ahead = None; // whose arrays may move
        let sizes = work.tables.reserve(new)?;
        let params = first + new.len();
        let [first_place, second_place] = &mut work.constants.places;
        let arrays = [
            (&mut work.groups, groups),
            (&mut work.steps, params),
            (first_place, params),
            (second_place, params),
            (&mut work.arrived, params),
        ];
        if work.uploads.is_too_small(sizes.bytes())
            || arrays.iter().any(|(array, count)| array.is_too_small(*count))
        {
            wait(&self.driver, work.stream, "making room for parameters")?;
        }
        for (array, count) in arrays {
            let old = array.reserve(&self.driver, work.stream, count)?;
            // What is enqueued copies from it still, which freeing waits for.
            Retired::from(old).retire(&self.driver, work.captured, &mut work.retired);
        }
        work.uploads.reserve(&self.driver, sizes.bytes(), work.captured, &mut work.retired)?;
        work.group_count = groups;
        Ok(())
    }

    /// Tells the device the options of a group. If the next step is prepared, it is prepared anew, unless there are many groups.
    pub fn set_group(&self, index: u32, group: &Group) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        work.note_capture(&self.driver)?;
        if work.group_count > GROUPS_AHEAD {
            work.constants.ahead = None;
        }
        let ahead = work.constants.ahead.unwrap_or_default();
        let arguments = SetGroupArgs {
            prepare: PrepareArgs { counts_step: 0, ..ahead },
            groups: work.groups.buffer.pointer,
            group: DeviceGroup::of(group),
            index,
            reserved: 0,
        };
        let blocks = arguments.prepare.blocks(THREADS).max(1);
        self.launch(work.stream, self.kernel(Kernel::SetGroup), blocks, THREADS, arguments)
    }

    /// Sets the number of steps that a parameter has made.
    pub fn set_steps(&self, id: u32, steps: u64) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        work.note_capture(&self.driver)?;
        work.constants.ahead = None;
        let at = work.steps.at(id);
        // SAFETY: the device has a number for each parameter.
        unsafe {
            self.driver.set_words(at, steps as u32, 1, work.stream)?;
            self.driver.set_words(at + 4, (steps >> 32) as u32, 1, work.stream)
        }
    }

    /// Gets the numbers of steps that parameters have made, from this one on. Waits.
    pub fn steps(&self, first: u32, steps: &mut dyn Iterator<Item = &Param>) -> Result<()> {
        let (_current, mut work) = (self.enter()?, self.work());
        wait(&self.driver, work.stream, "a step count")?;
        let mut id = first;
        let mut steps = steps.peekable();
        while steps.peek().is_some() {
            const AT_ONCE: usize = STAGING / size_of::<u64>();
            let from = work.steps.at(id);
            let left = (work.steps.buffer.pointer + work.steps.buffer.bytes as u64 - from) as usize;
            let bytes = left.min(STAGING);
            self.copy_out(&mut work, from, bytes)?;
            let counts = work.staging.bytes()[..bytes].chunks_exact(size_of::<u64>());
            for (count, param) in counts.zip(steps.by_ref().take(AT_ONCE)) {
                let mut word = [0; 8];
                word.copy_from_slice(count);
                param.set_steps(u64::from_ne_bytes(word));
                id += 1;
            }
        }
        Ok(())
    }

    /// Copies device memory to the beginning of the staging memory, and waits for that.
    fn copy_out(&self, work: &mut Work, from: DevicePointer, bytes: usize) -> Result<()> {
        let to = work.staging.bytes()[..bytes].as_mut_ptr();
        // SAFETY: both are as large, and nobody uses the staging memory meanwhile.
        unsafe {
            self.driver.copy_to_host(to.cast(), from, bytes, work.stream)?;
            self.driver.stream_synchronize(work.stream)
        }
    }
}

fn address(pointer: *const u8) -> DevicePointer {
    pointer.addr() as DevicePointer
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.process != process_id() {
            return; // another thread of the parent may have had the driver's locks, or that of the kernels
        }
        let Self { driver, context, program, device, work, .. } = self;
        let work = work.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the context is retained.
        let current = unsafe { driver.context_push(*context) }.is_ok().then(|| Current(driver));
        if current.is_some() {
            // A device that is lost has nothing left to wait for or to give back; errors change nothing about that.
            // SAFETY: the stream is the caller's, who must not destroy it before the optimizer is freed.
            let _ = unsafe { driver.stream_synchronize(work.stream) };
            work.uploads.close(driver);
            work.staging.free(driver);
            let Work { groups, steps, constants, arrived, .. } = work;
            let [first, second] = &mut constants.places;
            for array in [groups, steps, first, second, arrived] {
                array.buffer.free(driver);
            }
            work.sums.free(driver);
            work.retired.iter_mut().for_each(|memory| memory.free(driver));
        }
        program.release(driver, *context, current.is_some());
        drop(current);
        // SAFETY: it was retained when the device was opened.
        let _ = unsafe { driver.primary_context_release(*device) };
    }
}
