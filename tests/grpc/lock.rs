//! What callers were compiled against stays: `proto/purser/v1/purser.lock` lists every field, value and call, and none of its
//! lines may go or change. What is new gets its line there.

use std::collections::BTreeSet;
use std::fs;

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};
use purser::api::grpc::wire::DESCRIPTORS;

const LOCK: &str = "proto/purser/v1/purser.lock";

#[test]
fn no_field_value_or_call_has_gone_or_changed() {
    let lock = fs::read_to_string(LOCK).unwrap_or_default();
    let locked: BTreeSet<&str> = lock.lines().collect();
    let lines = lines();
    let found: BTreeSet<&str> = lines.iter().map(String::as_str).collect();
    let gone: Vec<_> = locked.difference(&found).collect();
    assert!(gone.is_empty(), "this breaks who was compiled against it:\n{gone:#?}");
    let new: Vec<_> = found.difference(&locked).map(|line| format!("{line}\n")).collect();
    assert!(new.is_empty(), "add these lines to {LOCK}:\n{}", new.concat());
}

/// One line a field, a value and a call, with all that is on the wire or in the code of callers.
fn lines() -> Vec<String> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).expect("was encoded by the build");
    let mut lines = Vec::new();
    for file in files.file.iter().filter(|file| file.package().starts_with("purser.")) {
        file.message_type.iter().for_each(|message| lines.extend(fields(file.package(), message)));
        file.enum_type.iter().for_each(|words| lines.extend(values(file.package(), words)));
        file.service.iter().for_each(|service| lines.extend(calls(file.package(), service)));
    }
    assert!(lines.len() > 100, "the interface is found");
    lines
}

fn fields(package: &str, message: &DescriptorProto) -> Vec<String> {
    let name = format!("{package}.{}", message.name());
    let field = |field: &prost_types::FieldDescriptorProto| {
        let kind = match field.r#type() {
            Type::Message | Type::Enum => field.type_name().trim_start_matches('.').to_owned(),
            scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
        };
        let repeated = if field.label() == Label::Repeated { "repeated " } else { "" };
        let optional = if field.proto3_optional() { "optional " } else { "" };
        let one_of = match field.oneof_index {
            Some(index) if !field.proto3_optional() => format!(" of {}", message.oneof_decl[index as usize].name()),
            _ => String::new(),
        };
        format!("message {name} {} {} {repeated}{optional}{kind}{one_of}", field.number(), field.name())
    };
    let nested = message.nested_type.iter().flat_map(|nested| fields(&name, nested));
    message.field.iter().map(field).chain(nested).collect()
}

fn values(package: &str, words: &EnumDescriptorProto) -> Vec<String> {
    words
        .value
        .iter()
        .map(|word| format!("enum {package}.{} {} {}", words.name(), word.number(), word.name()))
        .collect()
}

fn calls(package: &str, service: &ServiceDescriptorProto) -> Vec<String> {
    let call = |call: &prost_types::MethodDescriptorProto| {
        let stream = |is: bool| if is { "stream " } else { "" };
        format!(
            "call {package}.{}.{} {}{} {}{}",
            service.name(),
            call.name(),
            stream(call.client_streaming()),
            call.input_type().trim_start_matches('.'),
            stream(call.server_streaming()),
            call.output_type().trim_start_matches('.'),
        )
    };
    service.method.iter().map(call).collect()
}
