// The kernels of benchmarks/workers/kernels.py in C++, for Enzyme. No headers: the wheel brings a compiler, but not its headers.
extern "C" {
double sqrt(double); double exp(double); double log(double); double tanh(double); double sin(double); double cos(double); double fabs(double);
double lgamma(double);
}
template <typename R, typename... A> R __enzyme_autodiff(void *, A...);
extern int enzyme_dup, enzyme_const;

static void lorenz96(const double *__restrict x0, const double *__restrict F, double dt, long steps, long n, double *__restrict x,
                     double *__restrict dx, double *__restrict out) {
  for (long i = 0; i < n; i++) x[i] = x0[i];
  for (long s = 0; s < steps; s++) {
    for (long i = 0; i < n; i++) {
      long next = i + 1 == n ? 0 : i + 1, two = i < 2 ? i + n - 2 : i - 2, one = i < 1 ? n - 1 : i - 1;
      dx[i] = (x[next] - x[two]) * x[one] - x[i] + F[0];
    }
    for (long i = 0; i < n; i++) x[i] += dt * dx[i];
  }
  double total = 0;
  for (long i = 0; i < n; i++) total += x[i] * x[i];
  out[0] = total;
}

static void brusselator(const double *__restrict U, const double *__restrict p, const double *__restrict cot, long R, long n,
                        double *__restrict du, double *__restrict out) {
  double diffusion = p[0] * n * n, A = p[1], B = p[2], total = 0;
  for (long r = 0; r < R; r++) {
    const double *u0 = U + r * 2 * n * n, *v0 = u0 + n * n;
    for (long i = 0; i < n; i++) {
      long up = i > 0 ? i - 1 : n - 1, down = i < n - 1 ? i + 1 : 0;
      for (long j = 0; j < n; j++) {
        long left = j > 0 ? j - 1 : n - 1, right = j < n - 1 ? j + 1 : 0;
        double u = u0[i * n + j], v = v0[i * n + j], uuv = u * u * v;
        double lap_u = u0[up * n + j] + u0[down * n + j] + u0[i * n + right] + u0[i * n + left] - 4 * u;
        double lap_v = v0[up * n + j] + v0[down * n + j] + v0[i * n + right] + v0[i * n + left] - 4 * v;
        du[i * n + j] = diffusion * lap_u + B + uuv - (A + 1) * u;
        du[n * n + i * n + j] = diffusion * lap_v + A * u - uuv;
      }
    }
    for (long i = 0; i < 2 * n * n; i++) total += cot[r * 2 * n * n + i] * du[i];
  }
  out[0] = total;
}

static void n_body(const double *__restrict start, const double *__restrict mass, const double *__restrict v0, double dt, long steps,
                   double eps, long n, double *__restrict x, double *__restrict v, double *__restrict acc, double *__restrict out) {
  for (long i = 0; i < 3 * n; i++) { x[i] = start[i]; v[i] = v0[i]; }
  double half = 0.5 * dt;
  for (long s = 0; s <= steps; s++) {
    for (long i = 0; i < 3 * n; i++) acc[i] = 0;
    for (long i = 0; i < n; i++)
      for (long j = i + 1; j < n; j++) {
        double dx = x[3 * j] - x[3 * i], dy = x[3 * j + 1] - x[3 * i + 1], dz = x[3 * j + 2] - x[3 * i + 2];
        double r2 = dx * dx + dy * dy + dz * dz + eps * eps, w = 1.0 / (r2 * sqrt(r2)), a = mass[j] * w, b = mass[i] * w;
        acc[3 * i] += a * dx; acc[3 * i + 1] += a * dy; acc[3 * i + 2] += a * dz;
        acc[3 * j] -= b * dx; acc[3 * j + 1] -= b * dy; acc[3 * j + 2] -= b * dz;
      }
    if (s > 0) for (long i = 0; i < 3 * n; i++) v[i] += half * acc[i];
    if (s < steps) for (long i = 0; i < 3 * n; i++) { v[i] += half * acc[i]; x[i] += dt * v[i]; }
  }
  double total = 0;
  for (long i = 0; i < 3 * n; i++) total += x[i] * x[i];
  out[0] = total;
}

static void cholesky(const double *__restrict A, const double *__restrict b, long n, double *__restrict L, double *__restrict y,
                     double *__restrict out) {
  for (long i = 0; i < n * n; i++) L[i] = A[i];
  for (long j = 0; j < n; j++) {
    for (long k = 0; k < j; k++) L[j * n + j] -= L[j * n + k] * L[j * n + k];
    L[j * n + j] = sqrt(L[j * n + j]);
    for (long i = j + 1; i < n; i++) {
      for (long k = 0; k < j; k++) L[i * n + j] -= L[i * n + k] * L[j * n + k];
      L[i * n + j] = L[i * n + j] / L[j * n + j];
    }
  }
  double total = 0;
  for (long i = 0; i < n; i++) {
    y[i] = b[i];
    for (long k = 0; k < i; k++) y[i] -= L[i * n + k] * y[k];
    y[i] = y[i] / L[i * n + i];
    total += 2 * log(L[i * n + i]) + y[i] * y[i];
  }
  out[0] = total;
}

static void newton(const double *__restrict a, const double *__restrict b, long n, double *__restrict out) {
  double total = 0;
  for (long i = 0; i < n; i++) {
    double x = 1, f = x * x * x + a[i] * x - b[i];
    while (fabs(f) > 1e-12) {
      x = x - f / (3 * x * x + a[i]);
      f = x * x * x + a[i] * x - b[i];
    }
    if (x > 0) total += x * x; else total -= 2 * x;
  }
  out[0] = total;
}

static double log_sum(const double *__restrict t, long k) {
  double top = t[0], weights = 0;
  for (long j = 1; j < k; j++) if (t[j] > top) top = t[j];
  for (long j = 0; j < k; j++) weights += exp(t[j] - top);
  return log(weights) + top;
}

static void mixture(const double *__restrict alphas, const double *__restrict means, const double *__restrict icf, const double *__restrict x,
                    double gamma, long m, long k, long d, long n, double *__restrict diagonal, double *__restrict log_det,
                    double *__restrict away, double *__restrict scaled, double *__restrict terms, double *__restrict out) {
  long width = d * (d + 1) / 2;
  for (long j = 0; j < k; j++) {
    log_det[j] = 0;
    for (long i = 0; i < d; i++) { log_det[j] += icf[j * width + i]; diagonal[j * d + i] = exp(icf[j * width + i]); }
  }
  double total = 0;
  for (long s = 0; s < n; s++) {
    for (long j = 0; j < k; j++) {
      for (long i = 0; i < d; i++) away[i] = x[s * d + i] - means[j * d + i];
      for (long i = 0; i < d; i++) scaled[i] = diagonal[j * d + i] * away[i];
      long c = d;
      for (long i = 0; i < d; i++)
        for (long l = i + 1; l < d; l++) { scaled[l] += icf[j * width + c] * away[i]; c++; }
      double square = 0;
      for (long i = 0; i < d; i++) square += scaled[i] * scaled[i];
      terms[j] = alphas[j] + log_det[j] - 0.5 * square;
    }
    total += log_sum(terms, k);
  }
  total -= n * log_sum(alphas, k) + 0.5 * n * d * 1.8378770664093453;
  double degrees = d + m + 1, constant = degrees * d * (log(gamma) - 0.34657359027997264) - 0.25 * d * (d - 1) * 1.1447298858494002;
  for (long j = 1; j <= d; j++) constant -= lgamma(0.5 * degrees + 0.5 * (1 - j));
  double prior = 0;
  for (long j = 0; j < k; j++) {
    double norm = 0;
    for (long i = 0; i < d; i++) norm += diagonal[j * d + i] * diagonal[j * d + i];
    for (long c = d; c < width; c++) norm += icf[j * width + c] * icf[j * width + c];
    prior += 0.5 * gamma * gamma * norm - m * log_det[j];
  }
  out[0] = total + prior - k * constant;
}

static void bundle(const double *__restrict cams, const double *__restrict X, const double *__restrict w, const long *__restrict obs,
                   const double *__restrict feats, long n, double *__restrict out) {
  double total = 0;
  for (long i = 0; i < n; i++) {
    const double *c = cams + 11 * obs[2 * i], *P = X + 3 * obs[2 * i + 1];
    double p[3], axis[3], q[3], square = 0;
    for (int k = 0; k < 3; k++) { p[k] = P[k] - c[3 + k]; square += c[k] * c[k]; }
    if (square != 0) {
      double angle = sqrt(square), ct = cos(angle), st = sin(angle);
      for (int k = 0; k < 3; k++) axis[k] = c[k] / angle;
      double along = (axis[0] * p[0] + axis[1] * p[1] + axis[2] * p[2]) * (1 - ct);
      q[0] = p[0] * ct + (axis[1] * p[2] - axis[2] * p[1]) * st + axis[0] * along;
      q[1] = p[1] * ct + (axis[2] * p[0] - axis[0] * p[2]) * st + axis[1] * along;
      q[2] = p[2] * ct + (axis[0] * p[1] - axis[1] * p[0]) * st + axis[2] * along;
    } else {
      q[0] = p[0] + c[1] * p[2] - c[2] * p[1];
      q[1] = p[1] + c[2] * p[0] - c[0] * p[2];
      q[2] = p[2] + c[0] * p[1] - c[1] * p[0];
    }
    double u = q[0] / q[2], v = q[1] / q[2], rsq = u * u + v * v, distortion = 1 + c[9] * rsq + c[10] * rsq * rsq;
    double r0 = w[i] * (u * distortion * c[6] + c[7] - feats[2 * i]), r1 = w[i] * (v * distortion * c[6] + c[8] - feats[2 * i + 1]);
    total += 0.5 * (r0 * r0 + r1 * r1);
  }
  out[0] = total;
}

static void network(const double *__restrict W1, const double *__restrict b1, const double *__restrict W2, const double *__restrict b2,
                    const double *__restrict W3, const double *__restrict b3, const double *__restrict x, long nb, long n0, long n1, long n2,
                    long n3, double *__restrict h1, double *__restrict h2, double *__restrict out) {
  double total = 0;
  for (long s = 0; s < nb; s++) {
    for (long j = 0; j < n1; j++) {
      double t = b1[j];
      for (long i = 0; i < n0; i++) t += W1[j * n0 + i] * x[s * n0 + i];
      h1[j] = tanh(t);
    }
    for (long j = 0; j < n2; j++) {
      double t = b2[j];
      for (long i = 0; i < n1; i++) t += W2[j * n1 + i] * h1[i];
      h2[j] = tanh(t);
    }
    for (long j = 0; j < n3; j++) {
      double t = b3[j];
      for (long i = 0; i < n2; i++) t += W3[j * n2 + i] * h2[i];
      total += t * t;
    }
  }
  out[0] = total;
}
