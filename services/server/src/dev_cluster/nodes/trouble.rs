//! What can be done to a node of a [`DevCluster`].

use std::sync::mpsc::sync_channel;

use cluster_runtime::TaskKind;

use super::{DevCluster, DevError, DevNode, Running, Standing};

impl DevCluster {
    /// Ends a node where it stands.
    ///
    /// # Errors
    /// If it does not run.
    pub fn kill(&mut self, number: u8) -> Result<(), DevError> {
        let running = self.end(number, Standing::Killed)?;
        self.balance();
        running.runtime.shutdown_background();
        // Not before: one that is paused must not go on for a moment.
        drop(running.paused);
        Ok(())
    }

    /// Has a node hand its rooms over, send its clients away and leave.
    ///
    /// # Errors
    /// If it does not run.
    pub async fn drain(&mut self, number: u8) -> Result<(), DevError> {
        self.expect(number, Standing::Running)?;
        let running = self.end(number, Standing::Left)?;
        self.balance();
        let app = running.app.clone();
        running
            .runtime
            .spawn(async move { app.stop().await })
            .await
            .map_err(std::io::Error::other)?;
        running.runtime.shutdown_background();
        Ok(())
    }

    /// Starts a node that has ended, in a new life.
    ///
    /// # Errors
    /// If it has not ended, or does not start.
    pub async fn restart(&mut self, number: u8) -> Result<(), DevError> {
        let node = self.node(number)?;
        if node.running.is_some() {
            let standing = node.standing;
            return Err(DevError::Standing { number, standing });
        }
        let (id, address) = (node.id, node.address);
        let running = self.run(number, id, address).await?;
        let node = self.node(number)?;
        (node.running, node.standing) = (Some(running), Standing::Running);
        self.balance();
        Ok(())
    }

    /// Has a node stand still.
    ///
    /// # Errors
    /// If it does not run.
    pub fn pause(&mut self, number: u8) -> Result<(), DevError> {
        self.expect(number, Standing::Running)?;
        let node = self.node(number)?;
        if let Some(running) = &mut node.running {
            let (resume, paused) = sync_channel::<()>(0);
            let tasks = running.app.tasks.clone();
            let _guard = running.runtime.enter();
            tasks.spawn(TaskKind::Housekeeping, "dev-cluster: pause", async move {
                // It holds the node's only worker until the other end is dropped.
                let _resumed = paused.recv();
            });
            running.paused = Some(resume);
        }
        node.standing = Standing::Paused;
        let address = node.address;
        self.balance();
        self.balancer.end(address);
        Ok(())
    }

    /// Lets a node go on.
    ///
    /// # Errors
    /// If it is not paused.
    pub fn resume(&mut self, number: u8) -> Result<(), DevError> {
        self.expect(number, Standing::Paused)?;
        let node = self.node(number)?;
        if let Some(running) = &mut node.running {
            running.paused = None;
        }
        node.standing = Standing::Running;
        self.balance();
        Ok(())
    }

    /// Cuts a node off from all others.
    ///
    /// # Errors
    /// If it does not run.
    pub fn cut(&mut self, number: u8) -> Result<(), DevError> {
        self.expect(number, Standing::Running)?;
        let id = self.node(number)?.id;
        for other in self.nodes.iter().filter(|node| node.id != id) {
            self.network.part(id, other.id);
        }
        self.node(number)?.standing = Standing::CutOff;
        Ok(())
    }

    /// Lets a node reach the others again.
    ///
    /// # Errors
    /// If it is not cut off.
    pub fn heal(&mut self, number: u8) -> Result<(), DevError> {
        self.expect(number, Standing::CutOff)?;
        let id = self.node(number)?.id;
        for other in self.nodes.iter().filter(|node| node.id != id) {
            self.network.heal(id, other.id);
        }
        self.node(number)?.standing = Standing::Running;
        Ok(())
    }

    fn node(&mut self, number: u8) -> Result<&mut DevNode, DevError> {
        let count = self.nodes.len();
        let node = self.nodes.iter_mut().find(|node| node.number == number);
        node.ok_or(DevError::NoSuchNode { number, count })
    }

    fn expect(&mut self, number: u8, wanted: Standing) -> Result<(), DevError> {
        let standing = self.node(number)?.standing;
        if standing == wanted {
            Ok(())
        } else {
            Err(DevError::Standing { number, standing })
        }
    }

    /// Takes a node's runtime, whatever it does.
    fn end(&mut self, number: u8, standing: Standing) -> Result<Running, DevError> {
        let node = self.node(number)?;
        let before = node.standing;
        let running = node.running.take().ok_or(DevError::Standing {
            number,
            standing: before,
        })?;
        node.standing = standing;
        if before == Standing::CutOff {
            let id = node.id;
            for other in self.nodes.iter().filter(|node| node.id != id) {
                self.network.heal(id, other.id);
            }
        }
        Ok(running)
    }
}
