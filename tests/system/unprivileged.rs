//! In a container whose root is nobody outside, as Proxmox makes them: what is different there.

use crate::{
    Fact,
    gpu::{NODE, wait_for_gpu, wait_for_no_gpu},
    house::House,
    machine::SHIFT,
    support::booted::Booted as _,
};

pub(crate) const FACTS: &[Fact] = &[
    ("the doctor knows where it is", the_doctor_knows_where_it_is),
    ("a node that the host gives to nobody in particular is opened to encoders", given),
    ("a node that the host gives to the right group needs nothing", given_well),
    ("a node that is bound into the container is for the host to mend", bound),
];

fn the_doctor_knows_where_it_is(house: &House) {
    let said = house.machine.run("dashboard-cast doctor --quick --check environment");
    assert!(said.out.contains("an unprivileged container"), "{said:?}");
}

/// As the host makes a node for the container (`dev0: /dev/dri/renderD128`), or binds its own into it.
fn plug(house: &House, owner: u32, group: u32) {
    house.machine.do_from_outside(&format!(
        "mkdir --parents /dev/dri && rm --force {NODE} && mknod {NODE} c 226 128 && \
         chown {owner}:{group} {NODE} && chmod 660 {NODE}"
    ));
}

fn given(house: &House) {
    plug(house, SHIFT, SHIFT + 12_345);
    wait_for_gpu(&house.machine, "leads to no device");
    let said = house.machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("0:12345 (no name)"), "{said}");
    assert!(said.contains("by its list: group dashboard-cast-gpu"), "{said}");
}

fn given_well(house: &House) {
    house.machine.do_from_outside("rm --recursive /dev/dri");
    wait_for_no_gpu(&house.machine);
    let render = house.machine.do_("getent group render | cut -d: -f3");
    plug(house, SHIFT, SHIFT + render.trim().parse::<u32>().expect("a number"));
    let said = house.machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("yes, group render"), "{said}");
    wait_for_gpu(&house.machine, "leads to no device");
    let list = house.machine.do_(&format!("ls -l {NODE}"));
    assert!(!list.contains('+'), "{list}");
}

fn bound(house: &House) {
    plug(house, 0, 104);
    wait_for_gpu(&house.machine, "EACCES");
    let said = house.machine.do_("dashboard-cast gpu-groups");
    assert!(said.contains("its owner has no place in this container"), "{said}");
    assert!(said.contains("dev0: /dev/dri/renderD128,gid="), "{said}");
    house.machine.do_from_outside("rm --recursive /dev/dri");
}
