/* The layout of every struct that C shares with Python: as this library's compiler laid it out. */
#include "calls.h"
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

static const jc_field jc_limits_fields[] = {
    FIELD(jc_limits, version),
    FIELD(jc_limits, most),
    END,
};

static const jc_field jc_call_fields[] = {
    FIELD(jc_call, limits),
    FIELD(jc_call, outer),
    FIELD(jc_call, box),
    FIELD(jc_call, id),
    FIELD(jc_call, token),
    FIELD(jc_call, cancelled),
    FIELD(jc_call, began_ns),
    FIELD(jc_call, cpu_began_ns),
    FIELD(jc_call, spent_wall_ns),
    FIELD(jc_call, spent_cpu_ns),
    FIELD(jc_call, spent_fuel),
    FIELD(jc_call, host_ns),
    FIELD(jc_call, allocator_ns),
    FIELD(jc_call, signals),
    FIELD(jc_call, limit),
    FIELD(jc_call, used),
    FIELD(jc_call, kind),
    FIELD(jc_call, owner),
    FIELD(jc_call, stop),
    FIELD(jc_call, status),
    FIELD(jc_call, half),
    FIELD(jc_call, ended),
    FIELD(jc_call, fresh),
    FIELD(jc_call, step),
    FIELD(jc_call, host_calls),
    FIELD(jc_call, denied),
    FIELD(jc_call, refused_wanted),
    FIELD(jc_call, refused_limit),
    FIELD(jc_call, refused_owner),
    FIELD(jc_call, packed),
    FIELD(jc_call, staging),
    FIELD(jc_call, staging_room),
    FIELD(jc_call, thread),
    FIELD(jc_call, keeps_lock),
    FIELD(jc_call, by_signal),
    FIELD(jc_call, raised),
    FIELD(jc_call, python),
    FIELD(jc_call, refusals),
    FIELD(jc_call, way),
    FIELD(jc_call, next),
    FIELD(jc_call, before),
    FIELD(jc_call, entered_ns),
    FIELD(jc_call, ended_ns),
    FIELD(jc_call, numbers),
    END,
};

static const jc_field jc_verdict_fields[] = {
    FIELD(jc_verdict, kind),          FIELD(jc_verdict, owner),
    FIELD(jc_verdict, limit),         FIELD(jc_verdict, used),
    FIELD(jc_verdict, setup_ns),      FIELD(jc_verdict, inside_ns),
    FIELD(jc_verdict, cpu_ns),        FIELD(jc_verdict, host_ns),
    FIELD(jc_verdict, host_calls),    FIELD(jc_verdict, denied),
    FIELD(jc_verdict, memory_before), FIELD(jc_verdict, memory),
    FIELD(jc_verdict, grows_refused), END,
};

static const jc_field jc_key_fields[] = {
    FIELD(jc_key, place), FIELD(jc_key, version), FIELD(jc_key, object), FIELD(jc_key, own), END,
};

static const jc_field jc_walker_fields[] = {
    FIELD(jc_walker, id), FIELD(jc_walker, token), FIELD(jc_walker, call), FIELD(jc_walker, way), END,
};

static const jc_field jc_pool_fields[] = {
    FIELD(jc_pool, ceiling),
    FIELD(jc_pool, used),
    FIELD(jc_pool, references),
    END,
};

static const jc_field jc_memory_fields[] = {
    FIELD(jc_memory, box),      FIELD(jc_memory, base),
    FIELD(jc_memory, size),     FIELD(jc_memory, committed),
    FIELD(jc_memory, reserved), FIELD(jc_memory, mapped),
    FIELD(jc_memory, ours),     FIELD(jc_memory, heap),
    FIELD(jc_memory, next),     END,
};

static const jc_field jc_meter_fields[] = {
    FIELD(jc_meter, spent),
    FIELD(jc_meter, limit),
    FIELD(jc_meter, ended),
    END,
};

static const jc_field jc_box_fields[] = {
    FIELD(jc_box, claimed),
    FIELD(jc_box, closing),
    FIELD(jc_box, references),
    FIELD(jc_box, key),
    FIELD(jc_box, store),
    FIELD(jc_box, context),
    FIELD(jc_box, call),
    FIELD(jc_box, pool),
    FIELD(jc_box, samples),
    FIELD(jc_box, profile),
    FIELD(jc_box, memories),
    FIELD(jc_box, memory),
    FIELD(jc_box, counters),
    FIELD(jc_box, meter),
    FIELD(jc_box, meter_limit),
    FIELD(jc_box, counters_size),
    FIELD(jc_box, memory_count),
    FIELD(jc_box, loop_count),
    FIELD(jc_box, held),
    FIELD(jc_box, grows_refused),
    FIELD(jc_box, refused_wanted),
    FIELD(jc_box, refused_limit),
    FIELD(jc_box, refused_owner),
    FIELD(jc_box, in_host_call),
    FIELD(jc_box, starting),
    FIELD(jc_box, phase),
    FIELD(jc_box, broken),
    FIELD(jc_box, known),
    FIELD(jc_box, throws),
    FIELD(jc_box, fuel_set),
    FIELD(jc_box, limited_elements),
    FIELD(jc_box, trap),
    FIELD(jc_box, error),
    FIELD(jc_box, instance),
    FIELD(jc_box, alloc),
    FIELD(jc_box, free_),
    FIELD(jc_box, written),
    FIELD(jc_box, request),
    FIELD(jc_box, request_length),
    FIELD(jc_box, packed),
    FIELD(jc_box, answer),
    FIELD(jc_box, answer_length),
    FIELD(jc_box, code),
    FIELD(jc_box, number),
    FIELD(jc_box, calls),
    FIELD(jc_box, generation),
    FIELD(jc_box, idle),
    FIELD(jc_box, functions),
    FIELD(jc_box, function_room),
    FIELD(jc_box, write_ns),
    FIELD(jc_box, run_ns),
    FIELD(jc_box, read_ns),
    FIELD(jc_box, left_ns),
    END,
};

static const jc_field jc_column_fields[] = {
    FIELD(jc_column, offset),
    FIELD(jc_column, size),
    END,
};

static const jc_field jc_loop_fields[] = {
    FIELD(jc_loop, block), FIELD(jc_loop, columns),    FIELD(jc_loop, slots),    FIELD(jc_loop, func),
    FIELD(jc_loop, table), FIELD(jc_loop, fixed_fuel), FIELD(jc_loop, row_fuel), FIELD(jc_loop, begun_fuel),
    FIELD(jc_loop, rows),  FIELD(jc_loop, arguments),  FIELD(jc_loop, results),  END,
};

static const jc_field jc_profile_fields[] = {
    FIELD(jc_profile, profiler),    FIELD(jc_profile, guest_ns),
    FIELD(jc_profile, entered_ns),  FIELD(jc_profile, depth),
    FIELD(jc_profile, samples),     FIELD(jc_profile, guest_samples),
    FIELD(jc_profile, room),        FIELD(jc_profile, most_guest),
    FIELD(jc_profile, most_host),   FIELD(jc_profile, function),
    FIELD(jc_profile, took_ns),     FIELD(jc_profile, beyond_function),
    FIELD(jc_profile, beyond_ns),   FIELD(jc_profile, beyond_count),
    FIELD(jc_profile, beyond_room), END,
};

static const jc_field jc_image_fields[] = {
    FIELD(jc_image, memory), FIELD(jc_image, offset), FIELD(jc_image, length), FIELD(jc_image, bytes), END,
};

static const jc_field jc_supply_fields[] = {
    FIELD(jc_supply, module),
    FIELD(jc_supply, module_length),
    FIELD(jc_supply, name),
    FIELD(jc_supply, name_length),
    FIELD(jc_supply, exported),
    FIELD(jc_supply, exported_length),
    END,
};

static const jc_field jc_supplied_fields[] = {
    FIELD(jc_supplied, linker),      FIELD(jc_supplied, module),
    FIELD(jc_supplied, provider),    FIELD(jc_supplied, images),
    FIELD(jc_supplied, image_count), FIELD(jc_supplied, supplies),
    FIELD(jc_supplied, count),       END,
};

static const jc_field jc_template_fields[] = {
    FIELD(jc_template, engine),        FIELD(jc_template, pre),        FIELD(jc_template, images),
    FIELD(jc_template, image_count),   FIELD(jc_template, pool),       FIELD(jc_template, samples),
    FIELD(jc_template, has_allocator), FIELD(jc_template, is_reactor), END,
};

static const jc_field jc_sample_fields[] = {
    FIELD(jc_sample, call_id),      FIELD(jc_sample, at_ns), FIELD(jc_sample, cpu_ns),
    FIELD(jc_sample, memory_bytes), FIELD(jc_sample, event), END,
};

static const jc_field jc_ticker_fields[] = {
    FIELD(jc_ticker, running), FIELD(jc_ticker, parked),      FIELD(jc_ticker, turns), FIELD(jc_ticker, ticks),
    FIELD(jc_ticker, beat_ns), FIELD(jc_ticker, interval_ns), FIELD(jc_ticker, alive), END,
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
    LAYOUT(jc_field),       LAYOUT(jc_layout),   LAYOUT(jc_import),  LAYOUT(jc_limits), LAYOUT(jc_call),
    LAYOUT(jc_key),         LAYOUT(jc_walker),   LAYOUT(jc_pool),    LAYOUT(jc_memory), LAYOUT(jc_box),
    LAYOUT(jc_column),      LAYOUT(jc_loop),     LAYOUT(jc_profile), LAYOUT(jc_image),  LAYOUT(jc_template),
    LAYOUT(jc_supply),      LAYOUT(jc_supplied), LAYOUT(jc_sample),  LAYOUT(jc_ticker), LAYOUT(jc_gate_limits),
    LAYOUT(jc_gate_report), LAYOUT(jc_verdict),  LAYOUT(jc_meter),   {NULL, 0, NULL},
};

const jc_layout *jc_layouts(void) { return layouts; }
