//! Rebuilds the program when a migration changes: a macro embeds the migrations, and cargo does not see its inputs.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
