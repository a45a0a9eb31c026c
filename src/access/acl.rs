//! POSIX access control lists, as the kernel keeps them in `system.posix_acl_access`.
//!
//! `include/uapi/linux/posix_acl_xattr.h`: a version, then entries of tag, permissions and id, all little
//! endian. The crates that know them want libacl, for which one entry is too little.

/// A list of who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Acl(Vec<Entry>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    tag: u16,
    id: u32,
    permissions: u16,
}

const VERSION: u32 = 2;
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;
/// Of entries that mean nobody in particular.
const NOBODY: u32 = u32::MAX;
const READ_WRITE: u16 = 6;
/// More would be no list of a device.
const MOST: usize = 256;

impl Acl {
    /// What a file without a list has.
    pub(super) fn of_mode(mode: u32) -> Self {
        let entry = |tag, shift: u32| {
            let permissions = u16::try_from(mode >> shift & 7).unwrap_or(0);
            Entry { tag, id: NOBODY, permissions }
        };
        Self(vec![entry(OWNER, 6), entry(OWNING_GROUP, 3), entry(OTHERS, 0)])
    }

    /// `None` when it makes no sense.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (version, mut rest) = bytes.split_first_chunk::<4>()?;
        if u32::from_le_bytes(*version) != VERSION || rest.len() > MOST * 8 {
            return None;
        }
        let mut entries = Vec::new();
        while let Some((&[t0, t1, p0, p1, i0, i1, i2, i3], next)) = rest.split_first_chunk::<8>() {
            entries.push(Entry {
                tag: u16::from_le_bytes([t0, t1]),
                permissions: u16::from_le_bytes([p0, p1]),
                id: u32::from_le_bytes([i0, i1, i2, i3]),
            });
            rest = next;
        }
        let has = |tag| entries.iter().any(|entry: &Entry| entry.tag == tag);
        let is_whole = rest.is_empty() && has(OWNER) && has(OWNING_GROUP) && has(OTHERS);
        is_whole.then_some(Self(entries))
    }

    pub(super) fn write(&self) -> Vec<u8> {
        let entries = self.0.iter().flat_map(|Entry { tag, id, permissions }| {
            let (tag, permissions) = (tag.to_le_bytes(), permissions.to_le_bytes());
            let id = id.to_le_bytes();
            [tag[0], tag[1], permissions[0], permissions[1], id[0], id[1], id[2], id[3]]
        });
        VERSION.to_le_bytes().into_iter().chain(entries).collect()
    }

    /// Whether a group may read and write; `owning` is the group that owns the file.
    pub(super) fn lets_in(&self, group: u32, owning: u32) -> bool {
        let mask = self.find(MASK, NOBODY).unwrap_or(7);
        let own = (group == owning).then(|| self.find(OWNING_GROUP, NOBODY)).flatten();
        let named = self.find(GROUP, group);
        own.into_iter().chain(named).any(|allowed| allowed & mask & READ_WRITE == READ_WRITE)
    }

    /// Lets a group read and write, and nobody else do more than before.
    pub(super) fn admit(&mut self, group: u32) {
        let before = self.find(MASK, NOBODY);
        for entry in &mut self.0 {
            // What the mask has kept from them it must go on to keep from them.
            if matches!(entry.tag, USER | OWNING_GROUP | GROUP) {
                entry.permissions &= before.unwrap_or(7);
            }
        }
        self.0.retain(|entry| entry.tag != MASK && (entry.tag, entry.id) != (GROUP, group));
        self.0.push(Entry { tag: GROUP, id: group, permissions: READ_WRITE });
        let masked = self.0.iter().filter(|entry| matches!(entry.tag, USER | OWNING_GROUP | GROUP));
        let permissions = masked.fold(0, |all, entry| all | entry.permissions);
        self.0.push(Entry { tag: MASK, id: NOBODY, permissions });
        self.0.sort();
    }

    fn find(&self, tag: u16, id: u32) -> Option<u16> {
        let mut entries = self.0.iter();
        entries.find(|entry| (entry.tag, entry.id) == (tag, id)).map(|entry| entry.permissions)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_group_that_is_admitted_is_in_and_nobody_else() {
        let mut acl = Acl::of_mode(0o600);
        assert!(!acl.lets_in(990, 0) && !acl.lets_in(0, 0));
        acl.admit(990);
        assert!(acl.lets_in(990, 0));
        assert!(!acl.lets_in(0, 0), "the owning group had no right and gets none");
        assert!(!acl.lets_in(991, 0));
        let once = acl.clone();
        acl.admit(990);
        assert_eq!(acl, once);
    }

    #[test]
    fn what_a_mask_kept_from_others_stays_kept_from_them() {
        let mut acl = Acl::of_mode(0o660);
        acl.admit(44);
        acl.0.iter_mut().filter(|entry| entry.tag == MASK).for_each(|mask| mask.permissions = 4);
        assert!(!acl.lets_in(44, 0) && !acl.lets_in(0, 0));
        acl.admit(990);
        assert!(acl.lets_in(990, 0));
        assert!(!acl.lets_in(44, 0) && !acl.lets_in(0, 0));
    }

    #[test]
    fn an_owning_group_with_rights_needs_no_entry() {
        assert!(Acl::of_mode(0o660).lets_in(104, 104));
        assert!(!Acl::of_mode(0o640).lets_in(104, 104));
    }

    #[test]
    fn the_kernels_bytes_are_these() {
        let mut acl = Acl::of_mode(0o660);
        acl.admit(0x3de);
        let bytes = acl.write();
        assert_eq!(bytes[..4], [2, 0, 0, 0]);
        assert_eq!(bytes[4..12], [1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(bytes[20..28], [8, 0, 6, 0, 0xde, 3, 0, 0]);
        assert_eq!(Acl::read(&bytes), Some(acl));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(acl) = Acl::read(&bytes) {
                prop_assert_eq!(acl.write(), bytes);
            }
        }
    }
}
