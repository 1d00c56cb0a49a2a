// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What C holds of the core: a number in the shape of a pointer, never an address. It names a place in a table and
//! the generation of what lies there, so that an object that was freed, a pointer of another origin, an object of
//! another kind, and one of the process that this one was forked from are errors and not crashes.
//!
//! The number, from its highest bit: 1 (no address of a program has it), 7 bits for the process's table, 32 for the
//! generation, 24 for the place.

use std::any::Any;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use crate::engine::lock;
use crate::error::{Error, ErrorKind, Result};
use crate::ffi::sys::forked;

const _: () = assert!(usize::BITS == 64, "the C interface needs pointers of 64 bits");

/// An opaque type of the C interface and what stands behind it.
pub trait Opaque: 'static {
    /// What a pointer to it stands for.
    type Inner: Send + 'static;
    /// Its name in C.
    const NAME: &'static str;
}

/// Makes an object that any thread may look at and none changes.
pub fn share<T: Opaque<Inner: Sync>>(inner: Arc<T::Inner>) -> Result<*mut T> {
    table().insert::<T>(Held::Shared(inner))
}

/// Makes an object that one thread at a time may use.
pub fn own<T: Opaque>(inner: T::Inner) -> Result<*mut T> {
    table().insert::<T>(Held::Owned(Some(Box::new(inner))))
}

/// Makes an object out of what is borrowed, for the time of a callback and for its thread alone.
pub fn lend<T: Opaque, R>(inner: &mut T::Inner, body: impl FnOnce(*mut T) -> R) -> Result<R> {
    let table = table();
    let lent = Lent { place: std::ptr::from_mut(inner).cast(), thread: thread(), used: false };
    let handle = table.insert::<T>(Held::Lent(lent))?;
    let returned = Returned { table, handle: handle.expose_provenance() };
    let result = body(handle);
    returned.in_its_process::<T>()?;
    Ok(result)
}

/// A shared object for the time of a callback. Whatever the callback kept of it is an error afterwards.
pub fn share_meanwhile<T: Opaque<Inner: Sync>, R>(inner: Arc<T::Inner>, body: impl FnOnce(*mut T) -> R) -> Result<R> {
    let table = table();
    let handle = table.insert::<T>(Held::LentShared(inner))?;
    let returned = Returned { table, handle: handle.expose_provenance() };
    let result = body(handle);
    returned.in_its_process::<T>()?;
    Ok(result)
}

/// The shared object behind a pointer.
pub fn get<T: Opaque<Inner: Sync>>(handle: *const T) -> Result<Arc<T::Inner>> {
    let mut places = table_of::<T>(handle)?.places();
    match places.find::<T>(handle)? {
        Held::Shared(inner) | Held::LentShared(inner) => {
            Arc::clone(inner).downcast().map_err(|_| misuse::<T>("is of another kind"))
        }
        _ => Err(misuse::<T>("is of another kind")),
    }
}

/// Uses an owned or lent object. The table is not locked meanwhile: what uses it may use others.
pub fn with<T: Opaque, R>(handle: *mut T, body: impl FnOnce(&mut T::Inner) -> Result<R>) -> Result<R> {
    let table = table_of::<T>(handle)?;
    let used = table.places().begin_use::<T>(handle)?;
    match used {
        Used::Owned(inner) => {
            let mut back = PutBack { table, handle: handle.expose_provenance(), inner: Some(inner) };
            let inner = back.inner.as_mut().and_then(|inner| inner.downcast_mut());
            body(inner.ok_or_else(|| misuse::<T>("is of another kind"))?)
        }
        Used::Lent(place) => {
            let _end = EndUse { table, handle: handle.expose_provenance() };
            // SAFETY: `lend` put the address of a `T::Inner` there (the kind was compared) and takes the place away
            // before the borrow ends; only the thread that lent it comes here, and `used` keeps it from doing so
            // twice at a time.
            body(unsafe { &mut *place.cast::<T::Inner>() })
        }
    }
}

/// Ends an owned object for C and gives it back.
pub fn take<T: Opaque>(handle: *mut T) -> Result<T::Inner> {
    let table = table_of::<T>(handle)?;
    let held = table.places().remove::<T>(handle, |held| matches!(held, Held::Owned(Some(_))))?;
    let Held::Owned(Some(inner)) = held else { return Err(misuse::<T>("is of another kind")) };
    inner.downcast().map(|inner| *inner).map_err(|_| misuse::<T>("is of another kind"))
}

/// Ends a shared object for C and gives it back.
pub fn take_shared<T: Opaque<Inner: Sync>>(handle: *mut T) -> Result<Arc<T::Inner>> {
    let table = table_of::<T>(handle)?;
    let held = table.places().remove::<T>(handle, |held| matches!(held, Held::Shared(_)))?;
    let Held::Shared(inner) = held else { return Err(misuse::<T>("is of another kind")) };
    inner.downcast().map_err(|_| misuse::<T>("is of another kind"))
}

/// How many objects this process has made for C and not freed: what a test of leaks asks.
pub fn count() -> usize {
    table().places().entries.iter().filter(|entry| entry.held.is_some()).count()
}

const PLACE_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;
const TABLE_MASK: u32 = 0x7f;

enum Held {
    Shared(Arc<dyn Any + Send + Sync>),
    /// The same for the time of a callback.
    LentShared(Arc<dyn Any + Send + Sync>),
    /// Nothing while it is used.
    Owned(Option<Box<dyn Any + Send>>),
    Lent(Lent),
}

struct Lent {
    place: *mut (),
    thread: usize,
    used: bool,
}

// SAFETY: the address is followed by the thread that lent it alone, which `begin_use` checks.
unsafe impl Send for Lent {}

struct Entry {
    generation: u32,
    name: &'static str,
    held: Option<Held>,
}

#[derive(Default)]
struct Places {
    entries: Vec<Entry>,
    free: Vec<usize>,
}

/// The objects of one process.
struct Table {
    number: u32,
    /// That of the process which this one was forked from: kept, so that no tool takes it for lost.
    _before: AtomicPtr<Table>,
    places: Mutex<Places>,
}

static TABLE: AtomicPtr<Table> = AtomicPtr::new(std::ptr::null_mut());

/// This process's table. A forked process begins a new one: the old one's lock may be held by a thread that it does
/// not have.
fn table() -> &'static Table {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    forked::once_in_process(|| {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed) & TABLE_MASK;
        let before = AtomicPtr::new(TABLE.load(Ordering::Acquire));
        let table = Box::new(Table { number, _before: before, places: Mutex::default() });
        TABLE.store(Box::into_raw(table), Ordering::Release);
    });
    // SAFETY: a table is there, and one that was is never freed.
    unsafe { &*TABLE.load(Ordering::Acquire) }
}

/// The table that a pointer belongs to, if that is this process's.
fn table_of<T: Opaque>(handle: *const T) -> Result<&'static Table> {
    let number = handle.expose_provenance() as u64;
    if number == 0 {
        return Err(misuse::<T>("is NULL"));
    }
    let table = table();
    let own = u64::from(table.number) | 0x80;
    match number >> (PLACE_BITS + GENERATION_BITS) {
        of if of == own => Ok(table),
        of if of & 0x80 != 0 => Err(misuse::<T>("belongs to the process that this one was forked from")),
        _ => Err(misuse::<T>("was not made by pinion")),
    }
}

impl Table {
    fn places(&self) -> std::sync::MutexGuard<'_, Places> {
        lock(&self.places)
    }

    fn insert<T: Opaque>(&self, held: Held) -> Result<*mut T> {
        let mut places = self.places();
        let place = match places.free.pop() {
            Some(place) => place,
            None if places.entries.len() < 1 << PLACE_BITS => {
                places.entries.push(Entry { generation: 0, name: "", held: None });
                places.entries.len() - 1
            }
            None => return Err(misuse::<T>("cannot be made: 16,777,216 objects were not freed")),
        };
        let entry = &mut places.entries[place];
        entry.name = T::NAME;
        entry.held = Some(held);
        let number = (u64::from(self.number) | 0x80) << (PLACE_BITS + GENERATION_BITS)
            | u64::from(entry.generation) << PLACE_BITS
            | place as u64;
        Ok(std::ptr::with_exposed_provenance_mut(number as usize))
    }

    /// Does something with the entry behind a number that was found before.
    fn entry_of(&self, handle: usize, body: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.places().entries.get_mut(handle & ((1 << PLACE_BITS) - 1)) {
            body(entry);
        }
    }
}

/// What an object is used as.
enum Used {
    Owned(Box<dyn Any + Send>),
    Lent(*mut ()),
}

impl Places {
    fn entry<T: Opaque>(&mut self, handle: *const T) -> Result<(usize, &mut Entry)> {
        let number = handle.expose_provenance();
        let place = number & ((1 << PLACE_BITS) - 1);
        let generation = (number >> PLACE_BITS) as u32;
        let entry = self.entries.get_mut(place).ok_or_else(|| misuse::<T>("was not made by pinion"))?;
        if entry.generation != generation || entry.held.is_none() {
            return Err(misuse::<T>("was freed before"));
        }
        if entry.name != T::NAME {
            return Err(misuse::<T>(&format!("is a pointer to {}", entry.name)));
        }
        Ok((place, entry))
    }

    fn find<T: Opaque>(&mut self, handle: *const T) -> Result<&mut Held> {
        let (_, entry) = self.entry(handle)?;
        entry.held.as_mut().ok_or_else(|| misuse::<T>("was freed before"))
    }

    fn begin_use<T: Opaque>(&mut self, handle: *mut T) -> Result<Used> {
        match self.find::<T>(handle)? {
            Held::Owned(inner) => {
                inner.take().map(Used::Owned).ok_or_else(|| misuse::<T>("is in use, by another thread or further out"))
            }
            Held::Lent(lent) if lent.thread != thread() => {
                Err(misuse::<T>("belongs to the thread of the callback that got it"))
            }
            Held::Lent(lent) if lent.used => Err(misuse::<T>("is in use further out")),
            Held::Lent(lent) => {
                lent.used = true;
                Ok(Used::Lent(lent.place))
            }
            Held::Shared(_) | Held::LentShared(_) => Err(misuse::<T>("is of another kind")),
        }
    }

    fn remove<T: Opaque>(&mut self, handle: *mut T, may: impl FnOnce(&Held) -> bool) -> Result<Held> {
        match self.find::<T>(handle)? {
            Held::Lent(_) | Held::LentShared(_) => {
                return Err(misuse::<T>("was only lent to the callback: it is not to be freed"));
            }
            Held::Owned(None) => return Err(misuse::<T>("is in use, by another thread or further out")),
            held if !may(held) => return Err(misuse::<T>("is of another kind")),
            _ => {}
        }
        let (place, entry) = self.entry(handle)?;
        let held = entry.held.take();
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(place);
        held.ok_or_else(|| misuse::<T>("was freed before"))
    }
}

/// Puts an object back that was used, panics included.
struct PutBack {
    table: &'static Table,
    handle: usize,
    inner: Option<Box<dyn Any + Send>>,
}

impl Drop for PutBack {
    fn drop(&mut self) {
        let inner = self.inner.take();
        // In a forked process the lock of its parent's table may be held for ever.
        if !std::ptr::eq(self.table, table()) {
            return std::mem::forget(inner);
        }
        self.table.entry_of(self.handle, |entry| entry.held = Some(Held::Owned(inner)));
    }
}

struct EndUse {
    table: &'static Table,
    handle: usize,
}

impl Drop for EndUse {
    fn drop(&mut self) {
        if !std::ptr::eq(self.table, table()) {
            return;
        }
        self.table.entry_of(self.handle, |entry| {
            if let Some(Held::Lent(lent)) = &mut entry.held {
                lent.used = false;
            }
        });
    }
}

/// Ends the loan of an object.
struct Returned {
    table: &'static Table,
    handle: usize,
}

impl Returned {
    /// A callback comes back in the process that called it. A child in which it comes back as well has other objects.
    fn in_its_process<T: Opaque>(&self) -> Result<()> {
        match std::ptr::eq(self.table, table()) {
            true => Ok(()),
            false => Err(misuse::<T>("came back with the callback in a process that it has forked")),
        }
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if !std::ptr::eq(self.table, table()) {
            return;
        }
        let place = self.handle & ((1 << PLACE_BITS) - 1);
        let mut places = self.table.places();
        let Some(entry) = places.entries.get_mut(place) else { return };
        entry.generation = entry.generation.wrapping_add(1);
        let held = entry.held.take();
        places.free.push(place);
        drop(places);
        // What goes with it may call back.
        drop(held);
    }
}

/// Tells threads apart, without any memory of the core's for one.
fn thread() -> usize {
    thread_local! {
        static PLACE: u8 = const { 0 };
    }
    PLACE.try_with(|place| std::ptr::from_ref(place).addr()).unwrap_or(0)
}

fn misuse<T: Opaque>(what: &str) -> Error {
    Error::new(ErrorKind::Misuse, format!("the {} given {what}", T::NAME))
}
