//! Start of an agent, apart from its configuration.

/// Start of an agent, apart from its configuration.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// A command that starts the one after it, such as `env`, with its arguments.
    pub before: Vec<String>,
    /// Options of the agent.
    pub options: Vec<String>,
}

impl Surroundings {
    /// Sets these variables in the environment.
    pub fn variables(all: &[(&str, &str)]) -> Self {
        let all = all.iter().map(|(name, value)| format!("{name}={value}"));
        Self { before: ["env".to_owned()].into_iter().chain(all).collect(), options: Vec::new() }
    }

    /// Sets these options.
    pub fn options(self, options: &[&str]) -> Self {
        Self { options: options.iter().map(|&option| option.to_owned()).collect(), ..self }
    }
}
