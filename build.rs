//! The migrations are embedded by a macro whose inputs cargo cannot see.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
