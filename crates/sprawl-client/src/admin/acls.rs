//! Access rules: who may do what to which resource.
//!
//! Source: KIP-140, KIP-290 (prefixed patterns). Numbers are those of Kafka's `ResourceType`,
//! `PatternType`, `AclOperation` and `AclPermissionType`.

use sprawl_protocol::StrBytes;
use sprawl_protocol::messages::create_acls_request::AclCreation;
use sprawl_protocol::messages::delete_acls_request::DeleteAclsFilter;
use sprawl_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::Admin;
use crate::error::ClientError;

/// "Any", in filters, whatever is filtered.
const ANY: i8 = 1;

/// Numbers on the wire with their names.
macro_rules! numbered {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $number:literal, $text:literal;)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One that this client does not know, by its number.
            Unknown(i8),
        }

        impl $name {
            /// All that this client knows.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as Kafka's tools write it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Unknown(_) => "Unknown",
                }
            }

            fn number(self) -> i8 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Unknown(number) => number,
                }
            }

            fn from_number(number: i8) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Unknown(other),
                }
            }
        }
    };
}

numbered! {
    /// What a rule is about.
    AclResource {
        /// A topic.
        Topic = 2, "Topic";
        /// A group.
        Group = 3, "Group";
        /// The cluster; its name is `kafka-cluster`.
        Cluster = 4, "Cluster";
        /// A transactional id.
        TransactionalId = 5, "TransactionalId";
        /// A delegation token.
        DelegationToken = 6, "DelegationToken";
        /// A user.
        User = 7, "User";
    }
}

numbered! {
    /// How the resource's name is meant.
    AclPattern {
        /// As it is; `*` is all.
        Literal = 3, "Literal";
        /// As the beginning of names.
        Prefixed = 4, "Prefixed";
    }
}

numbered! {
    /// What is done.
    AclOperation {
        /// Everything.
        All = 2, "All";
        /// Reading.
        Read = 3, "Read";
        /// Writing.
        Write = 4, "Write";
        /// Making.
        Create = 5, "Create";
        /// Deleting.
        Delete = 6, "Delete";
        /// Changing.
        Alter = 7, "Alter";
        /// Looking at.
        Describe = 8, "Describe";
        /// What brokers do.
        ClusterAction = 9, "ClusterAction";
        /// Looking at settings.
        DescribeConfigs = 10, "DescribeConfigs";
        /// Changing settings.
        AlterConfigs = 11, "AlterConfigs";
        /// Writing without duplicates.
        IdempotentWrite = 12, "IdempotentWrite";
        /// Making tokens.
        CreateTokens = 13, "CreateTokens";
        /// Looking at tokens.
        DescribeTokens = 14, "DescribeTokens";
        /// Preparing transactions (KIP-939).
        TwoPhaseCommit = 15, "TwoPhaseCommit";
    }
}

numbered! {
    /// Whether it may be done.
    AclPermission {
        /// It may not, whatever else allows it.
        Deny = 2, "Deny";
        /// It may.
        Allow = 3, "Allow";
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AclRule {
    /// What it is about.
    pub resource: AclResource,
    /// Which one.
    pub name: String,
    /// How the name is meant.
    pub pattern: AclPattern,
    /// Who, as `User:alice`; `User:*` is everybody.
    pub principal: String,
    /// From where; `*` is anywhere.
    pub host: String,
    /// Does what.
    pub operation: AclOperation,
    /// And may or may not.
    pub permission: AclPermission,
}

/// Which rules are meant; what is `None` may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclRuleFilter {
    /// What they are about.
    pub resource: Option<AclResource>,
    /// Which one.
    pub name: Option<String>,
    /// How the name is meant.
    pub pattern: Option<AclPattern>,
    /// Who.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// Does what.
    pub operation: Option<AclOperation>,
    /// And may or may not.
    pub permission: Option<AclPermission>,
}

fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

fn some_text(value: &Option<String>) -> Option<StrBytes> {
    value.as_deref().map(text)
}

impl Admin {
    /// Returns the rules that the filter meets, in order.
    pub async fn acls(&self, filter: &AclRuleFilter) -> Result<Vec<AclRule>, ClientError> {
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(filter.resource.map_or(ANY, AclResource::number))
            .with_resource_name_filter(some_text(&filter.name))
            .with_pattern_type_filter(filter.pattern.map_or(ANY, AclPattern::number))
            .with_principal_filter(some_text(&filter.principal))
            .with_host_filter(some_text(&filter.host))
            .with_operation(filter.operation.map_or(ANY, AclOperation::number))
            .with_permission_type(filter.permission.map_or(ANY, AclPermission::number));
        let response = self.client.any().await?.call(request).await?;
        let message = response.error_message.map(|message| message.to_string());
        ClientError::check_with(|| "access rules".to_owned(), response.error_code, message)?;
        let mut rules = Vec::new();
        for resource in &response.resources {
            rules.extend(resource.acls.iter().map(|acl| AclRule {
                resource: AclResource::from_number(resource.resource_type),
                name: resource.resource_name.to_string(),
                pattern: AclPattern::from_number(resource.pattern_type),
                principal: acl.principal.to_string(),
                host: acl.host.to_string(),
                operation: AclOperation::from_number(acl.operation),
                permission: AclPermission::from_number(acl.permission_type),
            }));
        }
        rules.sort();
        Ok(rules)
    }

    /// Makes rules; those that were there already stay as they are.
    pub async fn create_acls(&self, rules: &[AclRule]) -> Result<(), ClientError> {
        let creations = rules.iter().map(|rule| {
            AclCreation::default()
                .with_resource_type(rule.resource.number())
                .with_resource_name(text(&rule.name))
                .with_resource_pattern_type(rule.pattern.number())
                .with_principal(text(&rule.principal))
                .with_host(text(&rule.host))
                .with_operation(rule.operation.number())
                .with_permission_type(rule.permission.number())
        });
        let request = CreateAclsRequest::default().with_creations(creations.collect());
        let response = self.client.any().await?.call(request).await?;
        for result in response.results {
            let message = result.error_message.map(|message| message.to_string());
            let what = || "access rule".to_owned();
            ClientError::check_with(what, result.error_code, message)?;
        }
        Ok(())
    }

    /// Deletes the rules that the filter meets and returns them, in order.
    pub async fn delete_acls(&self, filter: &AclRuleFilter) -> Result<Vec<AclRule>, ClientError> {
        let on_wire = DeleteAclsFilter::default()
            .with_resource_type_filter(filter.resource.map_or(ANY, AclResource::number))
            .with_resource_name_filter(some_text(&filter.name))
            .with_pattern_type_filter(filter.pattern.map_or(ANY, AclPattern::number))
            .with_principal_filter(some_text(&filter.principal))
            .with_host_filter(some_text(&filter.host))
            .with_operation(filter.operation.map_or(ANY, AclOperation::number))
            .with_permission_type(filter.permission.map_or(ANY, AclPermission::number));
        let request = DeleteAclsRequest::default().with_filters(vec![on_wire]);
        let response = self.client.any().await?.call(request).await?;
        let mut rules = Vec::new();
        for result in response.filter_results {
            let message = result.error_message.map(|message| message.to_string());
            let what = || "access rules".to_owned();
            ClientError::check_with(what, result.error_code, message)?;
            for acl in result.matching_acls {
                let message = acl.error_message.map(|message| message.to_string());
                ClientError::check_with(what, acl.error_code, message)?;
                rules.push(AclRule {
                    resource: AclResource::from_number(acl.resource_type),
                    name: acl.resource_name.to_string(),
                    pattern: AclPattern::from_number(acl.pattern_type),
                    principal: acl.principal.to_string(),
                    host: acl.host.to_string(),
                    operation: AclOperation::from_number(acl.operation),
                    permission: AclPermission::from_number(acl.permission_type),
                });
            }
        }
        rules.sort();
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_go_both_ways() {
        for operation in AclOperation::ALL {
            assert_eq!(AclOperation::from_number(operation.number()), *operation);
        }
        assert_eq!(AclResource::from_number(99), AclResource::Unknown(99));
        assert_eq!(AclResource::Unknown(99).number(), 99);
    }
}
