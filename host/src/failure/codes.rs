//! A page for each error type: what happened, the typical cause, what to do.

use super::ErrorType;

impl ErrorType {
    /// Its page, in Markdown.
    #[must_use]
    pub fn page(self) -> &'static str {
        macro_rules! page {
            ($name:literal) => {
                include_str!(concat!("codes/", $name, ".md"))
            };
        }
        match self {
            Self::OutOfFuel => page!("out_of_fuel"),
            Self::Timeout => page!("timeout"),
            Self::MemoryLimit => page!("memory_limit"),
            Self::StackOverflow => page!("stack_overflow"),
            Self::Trap => page!("trap"),
            Self::OutputLimit => page!("output_limit"),
            Self::TokenBudget => page!("token_budget"),
            Self::CapabilityDenied => page!("capability_denied"),
            Self::ContractViolation => page!("contract_violation"),
            Self::ValidationError => page!("validation_error"),
            Self::PermanentError => page!("permanent_error"),
            Self::RetryableError => page!("retryable_error"),
            Self::NoRoute => page!("no_route"),
            Self::PluginUnavailable => page!("plugin_unavailable"),
            Self::MalformedEvent => page!("malformed_event"),
            Self::HostError => page!("host_error"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_its_types_and_has_its_three_parts() {
        for kind in ErrorType::ALL {
            let headings: Vec<&str> = kind
                .page()
                .lines()
                .filter(|line| line.starts_with('#'))
                .collect();
            let title = format!("# {kind}");
            let expected = [
                title.as_str(),
                "## What happened",
                "## Typical cause",
                "## What to do",
            ];
            assert_eq!(headings, expected);
        }
    }
}
