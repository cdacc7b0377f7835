//! Who somebody turned out to be.

use super::role::{Role, Scope};
use super::secret::SecretText;

/// How somebody showed who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    /// By name and password.
    User,
    /// By an API token.
    Token,
    /// By the session that followed a login.
    Session,
}

/// Who somebody turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Name of the user or of the token.
    pub name: String,
    /// How it was shown.
    pub kind: IdentityKind,
    /// What it may do.
    pub role: Role,
    /// What of that it is limited to; empty for all. Tokens alone have scopes.
    pub scopes: Vec<Scope>,
    /// What a page must send beside the cookie of a session to change anything; sessions alone have it.
    pub csrf: Option<SecretText>,
}

impl Identity {
    /// Whether it may do what takes `role` and `scope`.
    #[must_use]
    pub fn may(&self, role: Role, scope: Scope) -> bool {
        self.role >= role && (self.scopes.is_empty() || self.scopes.iter().any(|held| held.includes(scope)))
    }

    /// How it is named in the history and the audit log: `user:name` or `token:name`.
    #[must_use]
    pub fn actor(&self) -> String {
        match self.kind {
            IdentityKind::User | IdentityKind::Session => format!("user:{}", self.name),
            IdentityKind::Token => format!("token:{}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::role::Area;

    #[test]
    fn role_and_scope_are_both_needed() {
        let token = |role, scopes: &[Scope]| Identity {
            name: "t".into(),
            kind: IdentityKind::Token,
            role,
            scopes: scopes.to_vec(),
            csrf: None,
        };
        let (read, write) = (Scope::read(Area::Apps), Scope::write(Area::Apps));
        assert!(token(Role::Operator, &[]).may(Role::Operator, write));
        assert!(!token(Role::Operator, &[]).may(Role::Administrator, read));
        assert!(token(Role::Operator, &[read]).may(Role::Viewer, read));
        assert!(!token(Role::Administrator, &[read]).may(Role::Viewer, write));
        assert!(!token(Role::Administrator, &[write]).may(Role::Viewer, Scope::read(Area::Accounts)));
        assert!(!token(Role::Viewer, &[write]).may(Role::Operator, write));
        assert_eq!(token(Role::Viewer, &[]).actor(), "token:t");
    }
}
