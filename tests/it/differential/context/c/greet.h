int alpha(int), beta(int), epsilon(int), delta(int);
