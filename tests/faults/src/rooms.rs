pub mod clock;
pub mod domain;
pub mod reign;
pub mod trafficstar {
    pub mod batch;
    pub mod budget;
    pub mod circuit;
    pub mod gate;
}
