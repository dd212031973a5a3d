/* The layout of every struct that C shares with Python: as this library's compiler laid it out. */
#include "core.h"
#include "gate.h"

#define FIELD(type, field) {#field, (uint32_t)offsetof(type, field), (uint32_t)sizeof(((type *)0)->field)}
#define LAYOUT(type) {#type, (uint32_t)sizeof(type), type##_fields}
#define END {NULL, 0, 0}

static const jc_field jc_field_fields[] = {
    FIELD(jc_field, name),
    FIELD(jc_field, offset),
    FIELD(jc_field, size),
    END,
};

static const jc_field jc_layout_fields[] = {
    FIELD(jc_layout, name),
    FIELD(jc_layout, size),
    FIELD(jc_layout, fields),
    END,
};

static const jc_field jc_import_fields[] = {
    FIELD(jc_import, name),
    FIELD(jc_import, result),
    FIELD(jc_import, arguments),
    END,
};

static const jc_field jc_gate_limits_fields[] = {
    FIELD(jc_gate_limits, max_depth),
    FIELD(jc_gate_limits, max_values),
    FIELD(jc_gate_limits, max_digits),
    FIELD(jc_gate_limits, seed),
    END,
};

static const jc_field jc_gate_report_fields[] = {
    FIELD(jc_gate_report, verdict),  FIELD(jc_gate_report, offset),
    FIELD(jc_gate_report, values),   FIELD(jc_gate_report, keys),
    FIELD(jc_gate_report, depth),    FIELD(jc_gate_report, hard),
    FIELD(jc_gate_report, doubtful), END,
};

static const jc_layout layouts[] = {
    LAYOUT(jc_field),       LAYOUT(jc_layout),      LAYOUT(jc_import),
    LAYOUT(jc_gate_limits), LAYOUT(jc_gate_report), {NULL, 0, NULL},
};

const jc_layout *jc_layouts(void) { return layouts; }
