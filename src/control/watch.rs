//! stub
use std::path::PathBuf;
/// stub
pub struct Watch;
impl Watch {
    /// stub
    pub fn new(_: Vec<PathBuf>) -> Self { Self }
    /// stub
    pub fn replace(&mut self, _: Vec<PathBuf>) {}
    /// stub
    pub async fn changed(&mut self) -> Vec<PathBuf> { std::future::pending().await }
}
