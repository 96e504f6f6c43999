//! The Debian package: what is in it, and its life on a clean Debian between real stacks: installed, used, upgraded under
//! traffic, removed and purged. Once with systemd as there is on a server, with the unit and all its restrictions in force,
//! and once without, where the scripts that dpkg runs have nobody to ask.

mod by_hand;
mod contents;
mod packages;
mod recipes;
mod server;
mod system;
