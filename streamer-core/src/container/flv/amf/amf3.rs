//! AMF 3 decoding (AMF 3 specification 3), into AMF 0 values.
//!
//! AMF 3 values form a graph: strings, traits and objects may be referred to again, and an object may
//! even contain itself. The graph is first read as it stands, which costs no more than its bytes, and
//! then unfolded into a tree, where every repetition is paid for as if it had been sent in full.
//!
//! What has no counterpart in AMF 0: a byte array becomes [`Value::Unsupported`], entries of a dictionary
//! whose key is neither text, number nor truth value are left out, and an array with both names and
//! indexes becomes an ECMA array whose indexes are names.

use std::rc::Rc;

use super::budget::{AmfError, Budget};
use super::input::Input;
use super::value::Value;

mod marker {
    pub(super) const UNDEFINED: u8 = 0x00;
    pub(super) const NULL: u8 = 0x01;
    pub(super) const FALSE: u8 = 0x02;
    pub(super) const TRUE: u8 = 0x03;
    pub(super) const INTEGER: u8 = 0x04;
    pub(super) const DOUBLE: u8 = 0x05;
    pub(super) const STRING: u8 = 0x06;
    pub(super) const XML_DOCUMENT: u8 = 0x07;
    pub(super) const DATE: u8 = 0x08;
    pub(super) const ARRAY: u8 = 0x09;
    pub(super) const OBJECT: u8 = 0x0a;
    pub(super) const XML: u8 = 0x0b;
    pub(super) const BYTE_ARRAY: u8 = 0x0c;
    pub(super) const VECTOR_INT: u8 = 0x0d;
    pub(super) const VECTOR_UINT: u8 = 0x0e;
    pub(super) const VECTOR_DOUBLE: u8 = 0x0f;
    pub(super) const VECTOR_OBJECT: u8 = 0x10;
    pub(super) const DICTIONARY: u8 = 0x11;
}

/// Externalizable classes that write exactly one AMF 3 value, the thing they wrap.
const WRAPPERS: [&[u8]; 3] =
    [b"flex.messaging.io.ArrayCollection", b"flex.messaging.io.ArrayList", b"flex.messaging.io.ObjectProxy"];

/// Decodes the AMF 3 value at the front of `input` and moves `input` behind it. On an error `input` stays
/// where it was. (RTMP never sends such a value bare: see
/// [`decode_all_selected`](super::amf0::decode_all_selected).)
///
/// # Errors
/// [`AmfError`] when the bytes end early, hold an undefined marker, refer to nothing or pass a limit.
pub fn decode(input: &mut &[u8]) -> Result<Value, AmfError> {
    let mut cursor = Input::new(input);
    let value = Context::new().decode(&mut cursor, &mut Budget::new(), 1)?;
    *input = cursor.rest();
    Ok(value)
}

type NodeId = usize;

#[derive(Debug)]
enum Node<'a> {
    /// A node whose content is still being read, or an object that is not there.
    Open,
    Undefined,
    Null,
    Boolean(bool),
    Number(f64),
    Text(&'a [u8]),
    Xml(&'a [u8]),
    Date(f64),
    Bytes,
    Numbers(Vec<f64>),
    Array {
        named: Vec<(&'a [u8], NodeId)>,
        indexed: Vec<NodeId>,
    },
    Object {
        class: &'a [u8],
        fields: Vec<(&'a [u8], NodeId)>,
    },
    Dictionary(Vec<(NodeId, NodeId)>),
    Wrapper(NodeId),
}

#[derive(Debug)]
struct Traits<'a> {
    class: &'a [u8],
    externalizable: bool,
    dynamic: bool,
    sealed: Vec<&'a [u8]>,
}

/// The reference tables (AMF 3 specification 2.2) and the graph they point into.
#[derive(Debug)]
pub(super) struct Context<'a> {
    strings: Vec<&'a [u8]>,
    traits: Vec<Rc<Traits<'a>>>,
    objects: Vec<NodeId>,
    nodes: Vec<Node<'a>>,
    // What the graph may take, apart from what it unfolds to.
    graph: Budget,
}

impl<'a> Context<'a> {
    pub(super) const fn new() -> Self {
        Self {
            strings: Vec::new(),
            traits: Vec::new(),
            objects: Vec::new(),
            nodes: Vec::new(),
            graph: Budget::new(),
        }
    }

    /// Decodes one value that stands at `depth` of what surrounds it.
    pub(super) fn decode(
        &mut self,
        input: &mut Input<'a>,
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Value, AmfError> {
        let root = self.read(input, depth)?;
        self.unfold(root, budget, depth)
    }

    fn add(&mut self, node: Node<'a>) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn close(&mut self, id: NodeId, node: Node<'a>) {
        if let Some(open) = self.nodes.get_mut(id) {
            *open = node;
        }
    }

    fn read(&mut self, input: &mut Input<'a>, depth: usize) -> Result<NodeId, AmfError> {
        let offset = input.offset();
        let marker = input.u8()?;
        self.graph.value(depth)?;
        let node = match marker {
            marker::UNDEFINED => Node::Undefined,
            marker::NULL => Node::Null,
            marker::FALSE => Node::Boolean(false),
            marker::TRUE => Node::Boolean(true),
            marker::INTEGER => Node::Number(f64::from(sign_extend(u29(input)?))),
            marker::DOUBLE => Node::Number(input.f64()?),
            marker::STRING => Node::Text(self.string(input)?),
            marker::XML_DOCUMENT
            | marker::DATE
            | marker::ARRAY
            | marker::OBJECT
            | marker::XML
            | marker::BYTE_ARRAY
            | marker::VECTOR_INT
            | marker::VECTOR_UINT
            | marker::VECTOR_DOUBLE
            | marker::VECTOR_OBJECT
            | marker::DICTIONARY => return self.object(input, marker, depth),
            _ => return Err(AmfError::Marker { marker, offset }),
        };
        Ok(self.add(node))
    }

    /// Whatever stands in the object table: a reference to it, or a new entry.
    fn object(&mut self, input: &mut Input<'a>, marker: u8, depth: usize) -> Result<NodeId, AmfError> {
        let offset = input.offset();
        let head = u29(input)?;
        let index = to_usize(head >> 1);
        if head & 1 == 0 {
            return self.objects.get(index).copied().ok_or(AmfError::Reference { index, offset });
        }
        // Entered before its content is read, because the content may refer to it.
        let id = self.add(Node::Open);
        self.objects.push(id);
        let len = index;
        let node = match marker {
            marker::XML_DOCUMENT | marker::XML => Node::Xml(input.string(len)?),
            marker::DATE => Node::Date(input.f64()?),
            marker::BYTE_ARRAY => {
                input.take(len)?;
                Node::Bytes
            }
            marker::VECTOR_INT => self.vector(input, len, |input| input.i32().map(f64::from))?,
            marker::VECTOR_UINT => self.vector(input, len, |input| input.u32().map(f64::from))?,
            marker::VECTOR_DOUBLE => self.vector(input, len, Input::f64)?,
            marker::VECTOR_OBJECT => {
                input.u8()?;
                self.string(input)?;
                Node::Array { named: Vec::new(), indexed: self.indexed(input, len, depth)? }
            }
            marker::DICTIONARY => {
                input.u8()?;
                let mut entries = Vec::new();
                for _ in 0..len {
                    entries.push((self.read(input, depth + 1)?, self.read(input, depth + 1)?));
                }
                Node::Dictionary(entries)
            }
            marker::ARRAY => {
                let mut named = Vec::new();
                self.named(input, depth, &mut named)?;
                Node::Array { named, indexed: self.indexed(input, len, depth)? }
            }
            _ => self.instance(input, head, offset, depth)?,
        };
        self.close(id, node);
        Ok(id)
    }

    /// An object's traits and fields (3.12); `head` is the U29 that began it.
    fn instance(
        &mut self,
        input: &mut Input<'a>,
        head: u32,
        offset: usize,
        depth: usize,
    ) -> Result<Node<'a>, AmfError> {
        let traits = if head & 0b10 == 0 {
            let index = to_usize(head >> 2);
            self.traits.get(index).cloned().ok_or(AmfError::Reference { index, offset })?
        } else {
            let externalizable = head & 0b100 != 0;
            let class = self.string(input)?;
            let mut sealed = Vec::new();
            if !externalizable {
                for _ in 0..head >> 4 {
                    self.graph.value(depth)?;
                    sealed.push(self.string(input)?);
                }
            }
            let traits = Rc::new(Traits { class, externalizable, dynamic: head & 0b1000 != 0, sealed });
            self.traits.push(Rc::clone(&traits));
            traits
        };
        if traits.externalizable {
            return if WRAPPERS.contains(&traits.class) {
                Ok(Node::Wrapper(self.read(input, depth + 1)?))
            } else {
                Err(AmfError::Externalizable { offset })
            };
        }
        let mut fields = Vec::new();
        for name in &traits.sealed {
            fields.push((*name, self.read(input, depth + 1)?));
        }
        if traits.dynamic {
            self.named(input, depth, &mut fields)?;
        }
        Ok(Node::Object { class: traits.class, fields })
    }

    /// Names and values up to the empty name.
    fn named(
        &mut self,
        input: &mut Input<'a>,
        depth: usize,
        fields: &mut Vec<(&'a [u8], NodeId)>,
    ) -> Result<(), AmfError> {
        loop {
            let name = self.string(input)?;
            if name.is_empty() {
                return Ok(());
            }
            fields.push((name, self.read(input, depth + 1)?));
        }
    }

    fn indexed(&mut self, input: &mut Input<'a>, len: usize, depth: usize) -> Result<Vec<NodeId>, AmfError> {
        // Not reserved ahead: the length is only a claim.
        let mut elements = Vec::new();
        for _ in 0..len {
            elements.push(self.read(input, depth + 1)?);
        }
        Ok(elements)
    }

    fn vector(
        &mut self,
        input: &mut Input<'a>,
        len: usize,
        element: fn(&mut Input<'a>) -> Result<f64, AmfError>,
    ) -> Result<Node<'a>, AmfError> {
        input.u8()?;
        let mut numbers = Vec::new();
        for _ in 0..len {
            self.graph.value(1)?;
            numbers.push(element(input)?);
        }
        Ok(Node::Numbers(numbers))
    }

    /// A string or a reference to an earlier one (1.3.2). The empty one is never referred to.
    fn string(&mut self, input: &mut Input<'a>) -> Result<&'a [u8], AmfError> {
        let offset = input.offset();
        let head = u29(input)?;
        let index = to_usize(head >> 1);
        if head & 1 == 0 {
            return self.strings.get(index).copied().ok_or(AmfError::Reference { index, offset });
        }
        let string = input.string(index)?;
        if !string.is_empty() {
            self.strings.push(string);
        }
        Ok(string)
    }

    fn unfold(&self, id: NodeId, budget: &mut Budget, depth: usize) -> Result<Value, AmfError> {
        budget.value(depth)?;
        Ok(match self.nodes.get(id) {
            None | Some(Node::Open | Node::Undefined) => Value::Undefined,
            Some(Node::Null) => Value::Null,
            Some(Node::Boolean(truth)) => Value::Boolean(*truth),
            Some(Node::Number(number)) => Value::Number(*number),
            Some(Node::Text(text)) => Value::String(budget.text(text)?),
            Some(Node::Xml(text)) => Value::Xml(budget.text(text)?),
            Some(Node::Date(unix_ms)) => Value::Date { unix_ms: *unix_ms, zone: 0 },
            Some(Node::Bytes) => Value::Unsupported,
            Some(Node::Numbers(numbers)) => {
                let mut elements = Vec::new();
                for number in numbers {
                    budget.value(depth + 1)?;
                    elements.push(Value::Number(*number));
                }
                Value::StrictArray(elements)
            }
            Some(Node::Array { named, indexed }) if named.is_empty() => {
                let mut elements = Vec::new();
                for element in indexed {
                    elements.push(self.unfold(*element, budget, depth + 1)?);
                }
                Value::StrictArray(elements)
            }
            Some(Node::Array { named, indexed }) => {
                let mut fields = self.unfold_fields(named, budget, depth)?;
                for (index, element) in indexed.iter().enumerate() {
                    let name = budget.text(index.to_string().as_bytes())?;
                    fields.push((name, self.unfold(*element, budget, depth + 1)?));
                }
                Value::EcmaArray(fields)
            }
            Some(Node::Object { class, fields }) => {
                let fields = self.unfold_fields(fields, budget, depth)?;
                if class.is_empty() {
                    Value::Object(fields)
                } else {
                    Value::TypedObject { class: budget.text(class)?, fields }
                }
            }
            Some(Node::Dictionary(entries)) => {
                let mut fields = Vec::new();
                for (key, value) in entries {
                    let name = match self.nodes.get(*key) {
                        Some(Node::Text(text)) => budget.text(text)?,
                        Some(Node::Number(number)) => budget.text(number.to_string().as_bytes())?,
                        Some(Node::Boolean(truth)) => budget.text(truth.to_string().as_bytes())?,
                        _ => continue,
                    };
                    fields.push((name, self.unfold(*value, budget, depth + 1)?));
                }
                Value::Object(fields)
            }
            Some(Node::Wrapper(wrapped)) => self.unfold(*wrapped, budget, depth + 1)?,
        })
    }

    fn unfold_fields(
        &self,
        fields: &[(&'a [u8], NodeId)],
        budget: &mut Budget,
        depth: usize,
    ) -> Result<Vec<(String, Value)>, AmfError> {
        let mut unfolded = Vec::new();
        for (name, value) in fields {
            let name = budget.text(name)?;
            unfolded.push((name, self.unfold(*value, budget, depth + 1)?));
        }
        Ok(unfolded)
    }
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// A variable length unsigned 29-bit integer (1.3.1): seven bits in each of up to three bytes, eight in
/// the fourth.
fn u29(input: &mut Input<'_>) -> Result<u32, AmfError> {
    let mut value = 0;
    for _ in 0..3 {
        let byte = input.u8()?;
        value = value << 7 | u32::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Ok(value << 8 | u32::from(input.u8()?))
}

/// A U29 read as a signed 29-bit integer (3.6).
const fn sign_extend(value: u32) -> i32 {
    (value << 3).cast_signed() >> 3
}

#[cfg(test)]
mod tests {
    use super::super::amf0;
    use super::super::budget::{MAX_AMF_DEPTH, MAX_AMF_STRING_BYTES, MAX_AMF_TEXT_BYTES, MAX_AMF_VALUES};
    use super::*;
    use proptest::prelude::*;

    fn value_of(bytes: &[u8]) -> Result<Value, AmfError> {
        let mut input = bytes;
        let value = decode(&mut input)?;
        assert!(input.is_empty(), "{input:?} left over");
        Ok(value)
    }

    fn fields(pairs: &[(&str, Value)]) -> Vec<(String, Value)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    fn put_u29(value: u32, out: &mut Vec<u8>) {
        match value {
            0..0x80 => out.push(value as u8),
            0x80..0x4000 => out.extend([(value >> 7) as u8 | 0x80, value as u8 & 0x7f]),
            0x4000..0x20_0000 => {
                out.extend([(value >> 14) as u8 | 0x80, (value >> 7) as u8 | 0x80, value as u8 & 0x7f]);
            }
            _ => out.extend([
                (value >> 22) as u8 | 0x80,
                (value >> 15) as u8 | 0x80,
                (value >> 8) as u8 | 0x80,
                value as u8,
            ]),
        }
    }

    #[test]
    fn integers_of_every_length_and_sign() {
        assert_eq!(value_of(&[0x04, 0x7f]), Ok(Value::from(127.0)));
        assert_eq!(value_of(&[0x04, 0x81, 0x00]), Ok(Value::from(128.0)));
        assert_eq!(value_of(&[0x04, 0xff, 0xff, 0x7f]), Ok(Value::from(2_097_151.0)));
        assert_eq!(value_of(&[0x04, 0x80, 0xc0, 0x80, 0x00]), Ok(Value::from(2_097_152.0)));
        assert_eq!(value_of(&[0x04, 0xff, 0xff, 0xff, 0xff]), Ok(Value::from(-1.0)));
        assert_eq!(value_of(&[0x04, 0xc0, 0x80, 0x80, 0x00]), Ok(Value::from(-268_435_456.0)));
    }

    #[test]
    fn an_anonymous_object_with_sealed_and_dynamic_fields() {
        // Traits: inline, dynamic, one sealed name "a"; a = 5; "b" = "a" by reference; end.
        let bytes = b"\x0a\x1b\x01\x03a\x04\x05\x03b\x06\x00\x01";
        let expected = Value::Object(fields(&[("a", Value::from(5.0)), ("b", Value::from("a"))]));
        assert_eq!(value_of(bytes), Ok(expected));
    }

    #[test]
    fn traits_and_objects_are_referred_to() {
        // [{Point x: 1}, {same traits x: 2}, reference to object 1]
        let bytes = b"\x09\x07\x01\x0a\x13\x0bPoint\x03x\x04\x01\x0a\x01\x04\x02\x0a\x02";
        let point = |x: f64| Value::TypedObject {
            class: "Point".to_owned(),
            fields: fields(&[("x", Value::from(x))]),
        };
        assert_eq!(value_of(bytes), Ok(Value::StrictArray(vec![point(1.0), point(2.0), point(1.0)])));
    }

    #[test]
    fn arrays_vectors_dictionaries_dates_and_xml() {
        // Array with "k": true and index 0: null.
        let mixed = value_of(b"\x09\x03\x03k\x03\x01\x01");
        assert_eq!(mixed, Ok(Value::EcmaArray(fields(&[("k", Value::from(true)), ("0", Value::Null)]))));
        let ints = value_of(b"\x0d\x05\x00\xff\xff\xff\xff\x00\x00\x00\x02");
        assert_eq!(ints, Ok(Value::StrictArray(vec![Value::from(-1.0), Value::from(2.0)])));
        let uints = value_of(b"\x0e\x03\x00\xff\xff\xff\xff");
        assert_eq!(uints, Ok(Value::StrictArray(vec![Value::from(4_294_967_295.0)])));
        let doubles = value_of(b"\x0f\x03\x01\x3f\xf0\0\0\0\0\0\0");
        assert_eq!(doubles, Ok(Value::StrictArray(vec![Value::from(1.0)])));
        let objects = value_of(b"\x10\x03\x00\x01\x02");
        assert_eq!(objects, Ok(Value::StrictArray(vec![Value::from(false)])));
        // Keys: "k", 7, null (left out).
        let dictionary = value_of(b"\x11\x07\x00\x06\x03k\x03\x04\x07\x02\x01\x03");
        assert_eq!(
            dictionary,
            Ok(Value::Object(fields(&[("k", Value::from(true)), ("7", Value::from(false))])))
        );
        assert_eq!(value_of(b"\x08\x01\x3f\xf0\0\0\0\0\0\0"), Ok(Value::Date { unix_ms: 1.0, zone: 0 }));
        for marker in [0x07, 0x0b] {
            assert_eq!(value_of(&[marker, 0x09, b'<', b'a', b'/', b'>']), Ok(Value::Xml("<a/>".to_owned())));
        }
        assert_eq!(value_of(b"\x0c\x05ab"), Ok(Value::Unsupported));
    }

    #[test]
    fn known_wrappers_are_looked_through_and_other_externalizables_refused() {
        let externalizable = |class: &[u8]| {
            let mut bytes = vec![0x0a, 0x07];
            put_u29((class.len() as u32) << 1 | 1, &mut bytes);
            bytes.extend(class);
            bytes.extend(b"\x09\x03\x01\x04\x05");
            bytes
        };
        let expected = Ok(Value::StrictArray(vec![Value::from(5.0)]));
        assert_eq!(value_of(&externalizable(b"flex.messaging.io.ArrayCollection")), expected);
        assert_eq!(value_of(&externalizable(b"x.Y")), Err(AmfError::Externalizable { offset: 1 }));
    }

    #[test]
    fn references_to_nothing_are_refused() {
        assert_eq!(value_of(&[0x06, 0x00]), Err(AmfError::Reference { index: 0, offset: 1 }));
        assert_eq!(value_of(&[0x09, 0x02]), Err(AmfError::Reference { index: 1, offset: 1 }));
        assert_eq!(value_of(&[0x0a, 0x01]), Err(AmfError::Reference { index: 0, offset: 1 }));
        assert_eq!(value_of(&[0x12]), Err(AmfError::Marker { marker: 0x12, offset: 0 }));
    }

    #[test]
    fn an_object_that_contains_itself_ends_at_the_nesting_limit() {
        assert_eq!(value_of(b"\x09\x03\x01\x09\x00"), Err(AmfError::TooDeep { max: MAX_AMF_DEPTH }));
        // A wrapper around itself, too.
        let wrapper = b"\x0a\x07\x37flex.messaging.io.ArrayList\x0a\x00";
        assert_eq!(value_of(wrapper), Err(AmfError::TooDeep { max: MAX_AMF_DEPTH }));
    }

    #[test]
    fn nesting_at_its_limit() {
        let nested = |depth: usize| [b"\x09\x03\x01".repeat(depth - 1), vec![0x01]].concat();
        assert!(value_of(&nested(MAX_AMF_DEPTH)).is_ok());
        assert_eq!(value_of(&nested(MAX_AMF_DEPTH + 1)), Err(AmfError::TooDeep { max: MAX_AMF_DEPTH }));
        assert!(value_of(&nested(1_000_000)).is_err());
        // Levels of AMF 0 around it count as well.
        let within = [&[0x0a, 0, 0, 0, 1, 0x11][..], &nested(MAX_AMF_DEPTH)].concat();
        assert_eq!(amf0::decode_all(&within), Err(AmfError::TooDeep { max: MAX_AMF_DEPTH }));
    }

    /// An array whose `levels` nested arrays each hold the next one ten times over.
    fn unfolding(levels: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..levels {
            bytes.extend(b"\x09\x15\x01");
        }
        bytes.push(0x01);
        for level in (0..levels).rev() {
            // Nine more: nulls at the bottom, else references to the array one level down.
            for _ in 0..9 {
                if level + 1 == levels {
                    bytes.push(0x01);
                } else {
                    bytes.extend([0x09, ((level + 1) << 1) as u8]);
                }
            }
        }
        bytes
    }

    #[test]
    fn references_cannot_blow_up_the_memory() {
        assert!(value_of(&unfolding(4)).is_ok());
        assert_eq!(value_of(&unfolding(20)), Err(AmfError::TooManyValues { max: MAX_AMF_VALUES }));
        // A long string referred to again and again.
        let mut bytes = Vec::new();
        put_u29(40 << 1 | 1, &mut bytes);
        let mut bytes = [&[0x09][..], &bytes, &[0x01, 0x06]].concat();
        put_u29((MAX_AMF_STRING_BYTES as u32) << 1 | 1, &mut bytes);
        bytes.extend(vec![b'x'; MAX_AMF_STRING_BYTES]);
        bytes.extend([0x06, 0x00].repeat(39));
        assert_eq!(value_of(&bytes), Err(AmfError::TooMuchText { max: MAX_AMF_TEXT_BYTES }));
    }

    #[test]
    fn values_names_and_vector_elements_are_counted_as_they_are_read() {
        let too_many = Err(AmfError::TooManyValues { max: MAX_AMF_VALUES });
        let array = |len: usize| {
            let mut bytes = vec![0x09];
            put_u29((len as u32) << 1 | 1, &mut bytes);
            bytes.push(0x01);
            bytes.extend(vec![0x01; len]);
            bytes
        };
        assert!(value_of(&array(MAX_AMF_VALUES - 1)).is_ok());
        assert_eq!(value_of(&array(MAX_AMF_VALUES)), too_many);
        let mut vector = vec![0x0d];
        put_u29((MAX_AMF_VALUES as u32) << 1 | 1, &mut vector);
        vector.extend(vec![0; 1 + 4 * MAX_AMF_VALUES]);
        assert_eq!(value_of(&vector), too_many);
        // An object of so many sealed, empty names.
        let mut object = vec![0x0a];
        put_u29((MAX_AMF_VALUES as u32) << 4 | 0b0011, &mut object);
        object.extend(vec![0x01; 2 * MAX_AMF_VALUES]);
        assert_eq!(value_of(&object), too_many);
        // Claims alone allocate nothing.
        assert!(matches!(value_of(b"\x09\xff\xff\xff\xff\x01"), Err(AmfError::Truncated { .. })));
    }

    #[test]
    fn tables_live_as_long_as_the_message() {
        // Two AMF 3 strings, the second a reference to the first.
        let values = amf0::decode_all(b"\x11\x06\x03a\x11\x06\x00");
        assert_eq!(values, Ok(vec![Value::from("a"), Value::from("a")]));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(prop_oneof![0u8..0x13, any::<u8>()], 0..400)) {
            let mut input = &bytes[..];
            while decode(&mut input).is_ok() {}
        }

        #[test]
        fn a_u29_reads_back(value in 0u32..1 << 29) {
            let mut bytes = Vec::new();
            put_u29(value, &mut bytes);
            prop_assert_eq!(u29(&mut Input::new(&bytes)), Ok(value));
        }
    }
}
