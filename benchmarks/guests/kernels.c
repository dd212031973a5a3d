/* Three kernels whose time is all the guest's own: doubles, bytes of memory, and integers in registers. Each answers a
 * number that its caller can check.
 *
 * The memory's pages are touched before a kernel is timed: each call uses the same ones. */
typedef unsigned char u8;
typedef unsigned int u32;

#define EXPORT(name) __attribute__((export_name(#name))) name
#define MOST 256

static double left[MOST * MOST], right[MOST * MOST], product[MOST * MOST];

/* The sum of the product of two matrices of size * size numbers. */
double EXPORT(matmul)(int size) {
    for (int at = 0; at < size * size; at++) {
        left[at] = (double)(at % 7) + 0.5;
        right[at] = (double)(at % 5) - 1.25;
    }
    for (int row = 0; row < size; row++)
        for (int column = 0; column < size; column++) {
            double sum = 0;
            for (int at = 0; at < size; at++)
                sum += left[row * size + at] * right[at * size + column];
            product[row * size + column] = sum;
        }
    double sum = 0;
    for (int at = 0; at < size * size; at++)
        sum += product[at];
    return sum;
}

static u8 composite[1000001];

/* How many primes there are up to this number. */
int EXPORT(sieve)(int most) {
    int primes = 0;
    for (int at = 2; at <= most; at++)
        composite[at] = 0;
    for (int at = 2; at <= most; at++) {
        if (composite[at])
            continue;
        primes++;
        if (at <= most / at)
            for (int multiple = at * at; multiple <= most; multiple += at)
                composite[multiple] = 1;
    }
    return primes;
}

static const u32 rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static u32 turned(u32 word, int bits) { return word >> bits | word << (32 - bits); }

static void add_block(u32 *state, const u8 *block) {
    u32 words[64];
    for (int at = 0; at < 16; at++)
        words[at] =
            (u32)block[4 * at] << 24 | (u32)block[4 * at + 1] << 16 | (u32)block[4 * at + 2] << 8 | block[4 * at + 3];
    for (int at = 16; at < 64; at++) {
        u32 early = words[at - 15], late = words[at - 2];
        words[at] = words[at - 16] + (turned(early, 7) ^ turned(early, 18) ^ early >> 3) + words[at - 7] +
                    (turned(late, 17) ^ turned(late, 19) ^ late >> 10);
    }
    u32 a = state[0], b = state[1], c = state[2], d = state[3], e = state[4], f = state[5], g = state[6], h = state[7];
    for (int at = 0; at < 64; at++) {
        u32 first = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + rounds[at] + words[at];
        u32 second = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + first, d = c, c = b, b = a, a = first + second;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d, state[4] += e, state[5] += f, state[6] += g,
        state[7] += h;
}

static u8 data[(1 << 20) + 128];

/* The first four bytes of the SHA-256 of that many bytes 0, 1, ... 250, 0, 1, ... */
int EXPORT(sha256)(int length) {
    u32 state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    int padded = (length + 8) / 64 * 64 + 64;
    for (int at = 0; at < padded; at++)
        data[at] = at < length ? (u8)(at % 251) : at == length ? 0x80 : 0;
    for (int at = 0; at < 4; at++)
        data[padded - 1 - at] = (u8)((u32)length * 8 >> 8 * at);
    for (int at = 0; at < padded; at += 64)
        add_block(state, data + at);
    return (int)state[0];
}
