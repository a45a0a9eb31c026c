#[derive(Debug)]
pub struct PagePolicy;
impl PagePolicy {
    pub fn check(&self, _: &url::Url) -> Result<(), std::fmt::Error> {
        Ok(())
    }
}
